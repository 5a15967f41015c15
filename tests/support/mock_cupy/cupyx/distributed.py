"""The module `cupyx.distributed` of the mock, which sums with MPI in place of NCCL."""

import numpy as np


class NCCLBackend:
    """A group of processes, each with a device of its own."""

    def __init__(self, n_devices: int, rank: int, host: str = "", port: int = 0, use_mpi: bool = False) -> None:
        from mpi4py import MPI

        self.communicator = MPI.COMM_WORLD
        if not use_mpi or (n_devices, rank) != (self.communicator.size, self.communicator.rank):
            raise RuntimeError("NCCL_ERROR_INVALID_ARGUMENT: invalid argument")

    def all_reduce(self, in_array: object, out_array: object, op: str = "sum", stream: object = None) -> None:
        if not (in_array.flags.c_contiguous and out_array.flags.c_contiguous and op == "sum"):
            raise RuntimeError("NCCL requires arrays to be either c- or f-contiguous")
        total = np.empty(in_array.shape, in_array.dtype)
        self.communicator.Allreduce(in_array.get(), total)
        out_array.set(total)
