"""The explorer over real HTTP: who is answered, what is refused, and that text stays text."""

import fcntl
import http.client
import json
import shutil
import threading
import time
from urllib.parse import urlencode

import numpy as np
import pytest
import uvicorn
from planted_run import NASTY_TOKENS

from congruence.cli.main import main
from congruence.errors import InputError, StorageError
from congruence.explore.app import application
from congruence.explore.serve import listening, names_of, opened
from congruence.view import Answers, CellKey, Query, embedded
from congruence.view.embedded import size

TOKEN = "correct-token"


@pytest.fixture(scope="module")
def port(planted):
    with listening(0) as taken:
        number = taken.getsockname()[1]
        app = application(Answers(planted), TOKEN, names_of(number))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield number
        server.should_exit = True
        thread.join()


def ask(port, path, *, method="GET", token=TOKEN, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in {"X-Congruence-Token": token, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def api(port, about, **fields):
    status, text, _ = ask(port, f"/api/{about}?{urlencode(fields)}")
    return status, json.loads(text)


def test_every_question_is_answered(port):
    cell = {"layer_a": 2, "layer_b": 2}
    status, overview = api(port, "overview")
    assert status == 200
    assert overview["grids"][overview["headline"]]["measure"] == "translation_accuracy"
    assert overview["holds"] == {
        "matches": True, "contexts": False, "maps": False, "concepts": False, "unmatched": True,
    }  # fmt: skip
    status, answer = api(port, "cell", **cell)
    assert status == 200
    assert answer["waterfall"][-1]["left"] == answer["pairs_after"]
    status, found = api(port, "matches", **cell, kept="all", sort="r")
    assert status == 200
    rs = [row["r"] for row in found["rows"]]
    assert rs == sorted(rs, reverse=True)
    assert sum(answer["r"]["before"]) == found["total"]
    row = found["rows"][0]
    status, pair = api(port, "pair", **cell, feature_a=row["feature_a"], feature_b=row["feature_b"])
    assert status == 200
    assert pair["contexts"] is None
    assert "No contexts are stored" in pair["contexts_words"]
    for about in ("map", "concepts"):
        assert api(port, about, **cell)[0] == 200
    assert api(port, "unmatched", **cell, side="b")[0] == 200


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "é"])
def test_another_token_is_refused(port, token):
    for path in ("/", "/api/overview"):
        status, text, _ = ask(port, path, token=token.encode())
        assert status == 403
        assert "planted" not in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example:80"])
def test_another_name_is_refused(port, host):
    status, text, _ = ask(port, "/api/overview", Host=host)
    assert status == 421
    assert "wrong Host" in json.loads(text)["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/../run.json",
        "/..%2f..%2frun.json",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/run.json",
        "/api/../run.json",
    ],
)
def test_no_path_leads_out_of_the_page(port, path):
    status, text, _ = ask(port, path)
    assert status == 404
    assert "congruence/run" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(port, method):
    assert ask(port, "/api/overview", method=method)[0] == 405


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"layer_a": "x"}, "is no layer"),
        ({"layer_a": 99}, "has no cell"),
        ({"control": "../../etc"}, "has no cell"),
        ({"sort": "DROP TABLE"}, "column"),
        ({"limit": 10**6}, "ask for 1 to"),
        ({"offset": "-1"}, "is no number"),
        ({"search": "x" * 10_000}, "longer than"),
    ],
)
def test_a_bad_question_is_one_line(port, fields, why):
    status, answer = api(port, "matches", **{"layer_a": 2, "layer_b": 2, **fields})
    assert status == 400
    assert why in answer["error"]
    assert "\n" not in answer["error"]


def test_text_is_shown_as_it_is_and_found(port):
    hostile = next(token for token in NASTY_TOKENS if "script" in token)
    status, found = api(port, "matches", layer_a=2, layer_b=2, search=hostile.upper(), kept="all")
    assert status == 200
    assert found["total"] > 0
    assert all(hostile in [*row["top_tokens_a"], *row["top_tokens_b"]] for row in found["rows"])
    _, _, headers = ask(port, "/api/overview")
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    status, _, headers = ask(port, "/")
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]


def test_search_by_number(planted):
    matches = Answers(planted).pairs_of(CellKey("none", "", 2, 2))
    feature = int(matches.table.feature_a.iloc[0])
    _, rows = matches.find(Query(search=f"a{feature}", kept="all"))
    assert feature in rows.feature_a.tolist()


def test_surprise_is_as_it_says(planted):
    matches = Answers(planted).pairs_of(CellKey("none", "", 2, 2))
    table = matches.in_full(matches.table)
    rows = table[(table.margin > 0) & (table.r > 0)]
    words = [{str(t).strip().casefold() for t in a} for a in (*table.top_tokens_a, *table.top_tokens_b)]
    either = [a | b for a, b in zip(words[: len(table)], words[len(table) :], strict=True)]
    for index in rows.index[:20]:
        shared = words[index] & words[len(table) + index]
        rarity = [
            (1 - np.log(sum(w in e for e in either)) / np.log(len(table))) * any(c.isalnum() for c in w)
            for w in shared
        ]
        expected = table.r[index] * min(table.margin[index], 1) * (np.mean(rarity) if rarity else 0)
        assert table.interest[index] == pytest.approx(expected, abs=1e-9)


def test_what_is_embedded_keeps_to_its_budget(planted):
    run = opened(planted).run
    whole = embedded(run, 3 << 20)
    budget = size(whole) * 3 // 4
    small = embedded(run, budget)
    assert size(whole) <= 3 << 20
    assert size(small) <= budget
    assert len(small["cells"]) == len(run.cells)
    assert 0 < len(small["pairs"]) < len(whole["pairs"])
    for key, found in small["matches"].items():
        shown = {f"{key}|{row['feature_a']}|{row['feature_b']}" for row in found["rows"] if row["has_pair"]}
        assert shown <= small["pairs"].keys()
    assert whole["overview"] | {"holds": 0} == small["overview"] | {"holds": 0}


def test_runs_that_cannot_be_explored(planted, tmp_path, capsys):
    newer = tmp_path / "newer"
    shutil.copytree(planted, newer)
    record = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps(record | {"format_version": 99}))
    half = tmp_path / "half"
    half.mkdir()
    for folder, why in ((newer, "newer than this congruence reads"), (half, "run.json doesn't exist")):
        with pytest.raises(SystemExit) as ended:
            main(["explore", str(folder)])
        assert ended.value.code == 2
        said = capsys.readouterr().err.strip()
        assert why in said
        assert "\n" not in said
    with (half / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="is being written by"):
            opened(half)


def test_a_taken_port_is_one_line():
    with listening(0) as taken, pytest.raises(InputError, match="can't be had"):
        listening(taken.getsockname()[1])
