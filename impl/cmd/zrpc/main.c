#include "zrpc.h"

int main(int argc, char **argv)
{
    return zrpc_main(argc, argv);
}
