(function () {
  var form = document.querySelector(".filters"), none = document.getElementById("none");
  function apply() {
    var verdicts = Array.from(form.querySelectorAll("[name=verdict]:checked"), function (box) { return box.value; });
    var text = form.text.value.toLowerCase(), shown = 0;
    document.querySelectorAll(".case").forEach(function (c) {
      var words = (c.id + " " + c.dataset.more + " " + c.querySelector(".title").textContent).toLowerCase();
      c.hidden = verdicts.indexOf(c.dataset.verdict) < 0 || (form.area.value && form.area.value !== c.dataset.area) ||
        words.indexOf(text) < 0;
      shown += c.hidden ? 0 : 1;
    });
    document.querySelectorAll("section").forEach(function (s) { s.hidden = !s.querySelector(".case:not([hidden])"); });
    none.hidden = shown > 0;
  }
  form.addEventListener("input", apply);
  form.addEventListener("submit", function (e) { e.preventDefault(); });
  var wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (wanted) { wanted.open = true; wanted.scrollIntoView(); }
}());
