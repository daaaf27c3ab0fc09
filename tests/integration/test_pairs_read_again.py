"""Pairs of a cell that are read again when the run is written are the pairs that stayed in memory."""

from stored_run import run, same_tables, tiny

from congruence.run import run_cells

load = run_cells.load_cell


def test_tables_are_the_same_whether_pairs_stay_in_memory_or_not(small_config, tmp_path, monkeypatch):
    config = tiny(small_config)
    held = run(config, tmp_path / "held")
    monkeypatch.setattr(run_cells, "HELD_PAIRS", 0)
    read = []
    monkeypatch.setattr(run_cells, "load_cell", lambda place: read.append(found := load(place)) or found)
    again = run(config, tmp_path / "read")
    assert any(one is not None and callable(one.pairs) for one in read)
    same_tables(held, again)
