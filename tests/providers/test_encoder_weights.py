"""The unpacked weights of the encoder: the same vectors, and no file that others could have written."""

import numpy as np
import pytest

from animerag.providers import encoder, encoder_weights

VALUES = {
    "rows": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "layers": [np.ones(3, np.float32), np.zeros((2, 2))],
    "eps": 0.5,
    "width": 4,
    "name": "left out",
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cache" / "weights.bin"
    encoder_weights.save(path, VALUES)
    return path


def test_arrays_lists_and_numbers_are_read_as_they_were_written(path):
    values = encoder_weights.load(path)
    assert (values["eps"], values["width"], values.keys() & {"name"}) == (0.5, 4, set())
    for name in ("rows", "columns"):
        assert np.array_equal(values[name], VALUES[name])
        assert (values[name].dtype, values[name].strides) == (VALUES[name].dtype, VALUES[name].strides)
    assert all(np.array_equal(*pair) for pair in zip(values["layers"], VALUES["layers"], strict=True))
    assert not values["rows"].flags.writeable


def test_a_file_that_is_missing_cut_off_or_of_another_form_is_not_read(path):
    content = path.read_bytes()
    for broken in (content[:-1], b"", b"[1]\n", b"\xff" * 100):
        path.write_bytes(broken)
        assert encoder_weights.load(path) is None
    path.unlink()
    assert encoder_weights.load(path) is None


def test_a_file_that_others_can_write_is_not_read(path):
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o620)
    assert encoder_weights.load(path) is None


def test_without_a_place_to_write_nothing_is_stored(tmp_path):
    (tmp_path / "cache").write_text("a file")
    encoder_weights.save(tmp_path / "cache" / "weights.bin", VALUES)
    assert [one.name for one in tmp_path.iterdir()] == ["cache"]


def test_a_later_process_encodes_with_mapped_weights_to_the_same_vectors(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "cache_dir", lambda: tmp_path)
    texts = ["a robot that protects a child", "猫が旅に出る話", ""]
    vectors = []
    for mapped in (False, True):
        encoder._encoder.cache_clear()
        loaded = encoder.load()
        assert loaded._backend.table.flags.writeable is not mapped
        vectors.append(np.stack([loaded.encode([text])[0] for text in texts]))
    encoder._encoder.cache_clear()
    assert np.array_equal(*vectors)
