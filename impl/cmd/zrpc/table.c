#include "table.h"

#include "zrpc.h"

static int width(const char *text)
{
    int n = 0;

    for (; *text != '\0'; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

void print_table(FILE *out, const char *const *cells, size_t rows, size_t columns)
{
    int widths[16] = {0};

    for (size_t i = 0; i < rows * columns; i++)
        if (width(cells[i]) > widths[i % columns])
            widths[i % columns] = width(cells[i]);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++) {
            const char *cell = cells[row * columns + column];

            if (column + 1 == columns)
                fprintf(out, "%s\n", cell);
            else
                fprintf(out, "%s%*s  ", cell, widths[column] - width(cell), "");
        }
}
