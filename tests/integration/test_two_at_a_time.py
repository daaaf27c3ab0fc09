"""Layer pairs that are compared two at a time give what they give one after another."""

from stored_run import run, same_tables, tiny

from congruence.run import captures, run_cells


def test_tables_are_the_same_two_at_a_time(small_config, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    config = tiny(small_config, measures=["rsa", "translation_accuracy"])
    for side, layers in (("a", [1, 2]), ("b", [2])):
        config[side]["layers"] = layers
    asked, side_by_side = [], run_cells.side_by_side

    def told(work, cells, *, most):
        asked.append(cells := list(cells))
        return side_by_side(work, cells, most=most)

    monkeypatch.setattr(run_cells, "side_by_side", told)
    together = run(config, tmp_path / "together")
    assert [len(cells) for cells in asked] == [len(together.cells)]
    assert len(together.cells) > 1
    monkeypatch.setattr(captures, "NARROW", 0)
    one_by_one = run(config, tmp_path / "one by one")
    assert len(asked) == 1
    same_tables(together, one_by_one)
