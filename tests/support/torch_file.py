"""Writer of `torch.save` files without PyTorch, as zip archives or in the legacy format used before 2020."""

import io
import pickle
import struct
import zipfile

STORAGE_TYPES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short", "i1": "Char"}
STORAGE_TYPES |= {"u1": "Byte", "b1": "Bool"}
EMPTY_ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def string(value):
    return b"X" + struct.pack("<i", len(value.encode())) + value.encode()


def integer(value):
    return b"J" + struct.pack("<i", value)


def integer_tuple(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(key, storage_type, storage_size, offset, shape, strides, *, legacy=False):
    """Return the pickle opcodes that call `_rebuild_tensor_v2` for a view of the storage `key`."""
    storage = b"(" + string("storage") + f"ctorch\n{storage_type}Storage\n".encode()
    storage += string(key) + string("cpu") + integer(storage_size)
    storage += (b"N" if legacy else b"") + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + integer(offset)
        + integer_tuple(shape)
        + integer_tuple(strides)
        + b"\x89"
        + EMPTY_ORDERED_DICT
        + b"tR"
    )


def dictionary(entries):
    """Return the pickle opcodes of a dictionary. The values are given as opcodes."""
    return b"}(" + b"".join(string(name) + value for name, value in entries.items()) + b"u"


def state_dict(arrays, *, legacy=False):
    """Return the opcodes of a state dict in which each array has its own storage in C order."""
    entries = {}
    for key, (name, array) in enumerate(arrays.items()):
        strides = [s // array.itemsize for s in array.copy(order="C").strides]
        storage_type = STORAGE_TYPES[array.dtype.str[1:]]
        entries[name] = tensor(str(key), storage_type, array.size, 0, array.shape, strides, legacy=legacy)
    return dictionary(entries)


def storage_bytes(arrays):
    return {str(key): array.tobytes() for key, array in enumerate(arrays.values())}


def write_zip(path, program, storages, *, byte_order="little", compression=zipfile.ZIP_STORED):
    """Write the zip archive with the pickle program and the bytes of each storage."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("it/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr("it/byteorder", byte_order)
        for key, raw in storages.items():
            archive.writestr(f"it/data/{key}", raw)
        archive.writestr("it/version", "3\n")
    return path


def write_stream(path, program, storages, itemsize=4):
    """Write the legacy format that `torch.save` used before 2020."""
    file = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(header, file, protocol=2)
    file.write(b"\x80\x02" + program + b".")
    pickle.dump(list(storages), file, protocol=2)
    for raw in storages.values():
        file.write(struct.pack("<q", len(raw) // itemsize) + raw)
    path.write_bytes(file.getvalue())
    return path
