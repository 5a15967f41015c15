"""Write what `torch.save` writes, opcode by opcode, without PyTorch: a zip archive, or the stream of before 2020."""

import io
import pickle
import struct
import zipfile

KINDS = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short", "i1": "Char"}
KINDS |= {"u1": "Byte", "b1": "Bool"}
NOTHING = b"ccollections\nOrderedDict\n)R"


def text(value):
    return b"X" + struct.pack("<i", len(value.encode())) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(key, kind, count, offset, size, strides, *, old=False):
    """The call of `_rebuild_tensor_v2` for a part of the storage `key`."""
    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu") + number(count)
    storage += (b"N" if old else b"") + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + numbers(size)
        + numbers(strides)
        + b"\x89"
        + NOTHING
        + b"tR"
    )


def mapping(entries):
    """A dictionary with a value, given as opcodes, for each name."""
    return b"}(" + b"".join(text(name) + value for name, value in entries.items()) + b"u"


def state_dict(arrays, *, old=False):
    """A state dict in which each array has a storage of its own, in C order."""
    entries = {}
    for key, (name, array) in enumerate(arrays.items()):
        strides = [s // array.itemsize for s in array.copy(order="C").strides]
        kind = KINDS[array.dtype.str[1:]]
        entries[name] = tensor(str(key), kind, array.size, 0, array.shape, strides, old=old)
    return mapping(entries)


def storages(arrays):
    return {str(key): array.tobytes() for key, array in enumerate(arrays.values())}


def zipped(path, program, parts, *, order="little", compression=zipfile.ZIP_STORED):
    """Write the archive: a program that makes the object, and the bytes of each storage."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("it/data.pkl", b"\x80\x02" + program + b".")
        archive.writestr("it/byteorder", order)
        for key, raw in parts.items():
            archive.writestr(f"it/data/{key}", raw)
        archive.writestr("it/version", "3\n")
    return path


def streamed(path, program, parts, itemsize=4):
    """Write the stream of before 2020."""
    file = io.BytesIO()
    for thing in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(thing, file, protocol=2)
    file.write(b"\x80\x02" + program + b".")
    pickle.dump(list(parts), file, protocol=2)
    for raw in parts.values():
        file.write(struct.pack("<q", len(raw) // itemsize) + raw)
    path.write_bytes(file.getvalue())
    return path
