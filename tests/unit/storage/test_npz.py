"""Arrays of an .npz file without numpy's reader are those that it gives, and nothing is made of damage."""

import io

import numpy as np
import pytest

from congruence.storage import npz_arrays

ARRAYS = {
    "0": np.linspace(0, 1, 7),
    "1": np.linspace(1, 2, 7),
    "nan": np.array([np.nan, -0.0, np.inf]),
    "none": np.zeros((0, 3), dtype=np.float32),
    "one": np.array(4, dtype=np.int8),
    "by_column": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "words": np.array(["a", "übung", ""]),
    "no_letters": np.array(["", ""], dtype="<U0"),
    "other_end": np.arange(5, dtype=">i4"),
    "marks": np.array([[True, False]]),
    "with/slash": np.zeros(3, dtype=[("x", "<f8"), ("y", "<i2")]),
}


def written(save=np.savez, **arrays) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_arrays_are_those_of_numpy(save):
    content = written(save, **ARRAYS)
    found = npz_arrays(content)
    with np.load(io.BytesIO(content)) as wanted:
        assert list(found) == wanted.files
        for name in wanted.files:
            one, other = found[name], wanted[name]
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes()
            assert one.flags.f_contiguous == other.flags.f_contiguous
            assert one.flags.writeable
            assert one.flags.aligned


def test_no_array_at_all():
    assert npz_arrays(written()) == {}


def test_objects_are_refused():
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        npz_arrays(written(objects=np.array([{}], dtype=object)))


@pytest.mark.parametrize("damage", [lambda c: c[:-40], lambda c: c[:50], lambda c: b"", lambda c: c[200:]])
def test_what_is_cut_is_refused(damage):
    with pytest.raises(Exception, match=r"."):
        npz_arrays(damage(written(values=np.arange(100.0))))


def test_a_header_that_promises_more_is_refused():
    content = written(values=np.arange(100.0)).replace(b"(100,)", b"(101,)")
    with pytest.raises(ValueError, match="header"):
        npz_arrays(content)
