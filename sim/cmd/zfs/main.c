/*
 * zfs: the command zfs(8), on a simulated pool. For implementations that run zfs, where there is none
 * (sim/zfs/README.md).
 */
#include "zfs.h"

int main(int argc, char **argv)
{
    return zfs_main(argc, argv);
}
