"""WordNet, the rule for ambiguous terms, hyponyms, and building a list."""

import http.server
import json
import threading

import pytest

from congruence.concepts import (
    BuildOptions,
    Endpoint,
    KeywordList,
    ambiguity,
    ask_for_lists,
    build_concepts,
    builtin_concepts,
    find_hyponyms,
    get_concept,
    intersect,
    load_wordnet,
    make_concept,
    parse_keywords,
    read_concepts,
    read_wordnet,
    resolve_concept,
    write_concepts,
)
from congruence.errors import ConfigError, InputError
from congruence.wordlists.senses import ambiguity_in_list, chosen_sense, list_sense, supersense_shares
from congruence.wordlists.wordnet import save_table


@pytest.fixture(scope="module")
def wordnet():
    return load_wordnet("packaged")


def test_packaged_table_has_wordnets_counts(wordnet):
    # wnstats(7WN) of WordNet 3.0: 82,115 noun and 13,767 verb synsets; 146,312 + 25,047 word-sense pairs
    assert len(wordnet.lexname) == 82115 + 13767
    assert len(wordnet.sense_synset) == 146312 + 25047
    emotion = wordnet.senses("Emotion")[0]
    assert (emotion.pos, emotion.rank, emotion.supersense) == ("n", 1, "noun.feeling")
    below = [wordnet.words(synset)[0] for synset in wordnet.below(emotion.synset, depth=1)]
    assert below == [
        "conditioned emotional response",
        "anger",
        "fear",
        "fear",
        "anxiety",
        "joy",
        "love",
        "hate",
        "emotional state",
    ]
    assert wordnet.name(emotion.synset) == "emotion.n@7480068"
    assert set(wordnet.below(emotion.synset, depth=2).values()) == {1, 2}
    assert wordnet.below(emotion.synset, depth=0) == {}
    assert wordnet.senses("notaword") == []


def write_small_wordnet(folder):
    licence = "  1 licence\n"
    (folder / "data.noun").write_text(
        licence + "00000010 12 n 02 joy 0 joyousness 0 001 ~ 00000020 n 0000 | gladness\n"
        "00000020 12 n 01 ice_cream_joy 0 001 @ 00000010 n 0000 | a kind\n"
    )
    (folder / "data.verb").write_text("00000030 37 v 01 joy 0 001 + 00000010 n 0101 01 + 02 00 | feel joy\n")
    (folder / "index.noun").write_text(
        licence
        + "ice_cream_joy n 1 1 @ 1 0 00000020\njoy n 1 1 ~ 1 1 00000010\njoyousness n 1 1 ~ 1 0 00000010\n"
    )
    (folder / "index.verb").write_text("joy v 1 0 1 0 00000030\n")
    (folder / "cntlist.rev").write_text("joy%1:12:00:: 1 7\n")


def test_reading_wordnets_own_files(tmp_path, monkeypatch):
    write_small_wordnet(tmp_path)
    small = read_wordnet(tmp_path)
    senses = small.senses("joy")
    assert [(s.pos, s.count, s.supersense) for s in senses] == [
        ("n", 7, "noun.feeling"),
        ("v", 0, "verb.emotion"),
    ]
    assert [small.words(s) for s in small.below(senses[0].synset, depth=3)] == [["ice cream joy"]]
    monkeypatch.setenv("WNHOME", str(tmp_path))
    assert load_wordnet.__wrapped__("installed").source == str(tmp_path)
    assert "packaged" in load_wordnet.__wrapped__().source
    (tmp_path / "index.verb").unlink()
    with pytest.raises(InputError, match=r"index\.verb"):
        read_wordnet(tmp_path)
    (tmp_path / "index.verb").write_text("joy v x\n")
    with pytest.raises(InputError, match="can't be read"):
        read_wordnet(tmp_path)


def test_nltk_and_packaged_copies_are_found(tmp_path, monkeypatch):
    from congruence.wordlists import wordnet as files

    monkeypatch.delenv("WNHOME", raising=False)
    monkeypatch.setattr(files, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(files, "NLTK_FOLDERS", ())
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    assert "packaged" in load_wordnet.__wrapped__("packaged").source
    with pytest.raises(InputError, match="no WordNet is installed"):
        load_wordnet.__wrapped__("installed")
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    write_small_wordnet(folder)
    assert load_wordnet.__wrapped__("installed").source == str(folder)


@pytest.mark.slow
def test_packaged_table_is_what_the_files_hold(tmp_path, wordnet):
    try:
        read = read_wordnet("/usr/share/wordnet")
    except InputError:
        pytest.skip("Debian's wordnet-base isn't installed")
    save_table(read, tmp_path / "table.npz")
    assert read.lemmas == wordnet.lemmas
    for name in ("sense_start", "sense_synset", "sense_count", "hyponyms", "members", "lexname", "offset"):
        assert (getattr(read, name) == getattr(wordnet, name)).all()


@pytest.mark.parametrize(
    ("keyword", "ambiguous"),
    [
        ("spring", True),  # the season 42 %, to jump 29 %
        ("branch", True),  # of an organisation and of a tree
        ("day", False),  # all of its senses are of time
        ("love", False),  # noun.feeling and verb.emotion are one domain
        ("May", False),  # with its capital only the month
        ("may", False),  # the month is tagged 29 times, the hawthorn never
        ("sad", False),  # adjectives have no supersenses
        ("xyzzy", False),  # not in WordNet
    ],
)
def test_the_rule_for_ambiguous_terms(wordnet, keyword, ambiguous):
    assert (ambiguity(keyword, wordnet) is not None) is ambiguous
    assert sum(supersense_shares(keyword, wordnet).values()) == pytest.approx(1) or not supersense_shares(
        keyword, wordnet
    )


LISTS = {
    "Animals": ["dog", "cat", "horse", "fox", "lion", "seal", "bat", "bear", "wolf", "mouse"],
    "Vehicles": ["car", "bus", "train", "bike", "truck", "boat", "coach"],
    "Moves": ["run", "jump", "swim", "climb", "throw", "ride"],
}


@pytest.mark.parametrize(
    ("name", "sense", "removed"),
    [
        ("Animals", ("noun.animal", "n"), []),  # the seal's counts, 0 of 4, can't say it is no animal
        ("Vehicles", ("noun.artifact", "n"), ["coach"]),  # 0 of 20: a person who trains
        ("Moves", ("verb.motion", "v"), ["throw"]),
    ],
)
def test_senses_are_chosen_with_the_whole_list_in_view(wordnet, name, sense, removed):
    of_list = list_sense(LISTS[name], wordnet)
    assert (of_list.domains, of_list.pos) == ((sense[0],), sense[1])
    (built,) = build_concepts({name: [KeywordList(LISTS[name], "x")]}, wordnet)
    dropped = [r for r in built.provenance["removed"] if r["stage"] == "ambiguous"]
    assert [r["keyword"] for r in dropped] == removed
    assert all("fewer than half" in r["reason"] for r in dropped)
    assert built.provenance["added"], "a list of common words has hyponyms"
    for addition in built.provenance["added"]:
        assert addition["synset"].split("@")[0].endswith(f".{of_list.pos}")
        chosen = chosen_sense(addition["parent"], wordnet, of_list)
        assert chosen.supersense == of_list.domains[0]
        below = [word for s in wordnet.below(chosen.synset, depth=1) for word in wordnet.words(s)]
        assert addition["keyword"] in below
    assert "switch-hit" not in built.keywords


def test_a_mixed_list_has_several_senses_and_a_wrong_word_is_judged_by_itself(wordnet):
    mixed = [
        "river",
        "tree",
        "rain",
        "flower",
        "wind",
        "grass",
        "storm",
        "snow",
        "hill",
        "stone",
        "lake",
        "bank",
    ]
    of_list = list_sense(mixed, wordnet)
    assert set(of_list.domains) == {"noun.object", "noun.phenomenon", "noun.plant"}
    assert chosen_sense("grass", wordnet, of_list).supersense == "noun.plant"
    assert ambiguity_in_list("storm", wordnet, of_list) is None
    animals = list_sense(LISTS["Animals"], wordnet)
    assert chosen_sense("spring", wordnet, animals) is None
    assert "2 dominant senses" in ambiguity_in_list("spring", wordnet, animals)
    assert list_sense(["spring"], wordnet).domains == ()


def test_the_lists_that_travel_are_what_their_provenance_builds(wordnet):
    built = builtin_concepts("son2025")
    lists = {
        name: [KeywordList(entry["keywords"], entry["source"]) for entry in concept.provenance["lists"]]
        for name, concept in built.items()
    }
    assert [len(entries) for entries in lists.values()] == [3] * 8
    for again in build_concepts(lists, wordnet):
        concept = built[again.name]
        by_hand = [r["keyword"] for r in concept.provenance["removed"] if r["stage"] == "hand"]
        assert list(concept.keywords) == [k for k in again.keywords if k not in by_hand]
        assert get_concept(f"son2025:{again.name.upper()}") is concept
    assert resolve_concept("SON2025") == list(built.values())
    assert resolve_concept("lan2024") == resolve_concept("all") == list(builtin_concepts().values())
    with pytest.raises(ConfigError, match="son2025"):
        get_concept("son2025:Colours")
    with pytest.raises(ConfigError, match="lan2024, son2025"):
        get_concept("son2024:Time")


def test_hyponyms(wordnet):
    added, refused = find_hyponyms("Emotions", ["joy"], wordnet, depth=1)
    assert {"exhilaration", "exultation"} <= {a.keyword for a in added}
    assert all(a.parent == "joy" and a.depth == 1 and " " not in a.keyword for a in added)
    assert find_hyponyms("Emotions", ["joy"], wordnet, depth=0) == ([], [])
    deeper, _ = find_hyponyms("Emotions", ["emotion"], wordnet, depth=2)
    assert {a.depth for a in deeper} == {1, 2}
    with_phrases, _ = find_hyponyms("c", ["day"], wordnet, depth=1, collocations=True)
    assert any(" " in a.keyword for a in with_phrases)
    assert all("below" in r.reason for r in refused)


def test_intersection():
    assert intersect("c", [["Joy", "fear"], ["joy", "hope"], ["JOY"]]) == ["Joy"]
    assert intersect("c", [["joy", "fear"], ["joy", "hope"], ["fear"]], min_lists=2) == ["joy", "fear"]
    with pytest.raises(InputError, match="no keyword of concept 'c' stands in 2 of its 2 lists"):
        intersect("c", [["a"], ["b"]])
    with pytest.raises(InputError, match="needs 3"):
        intersect("c", [["a"], ["b"]], min_lists=3)


def test_building_lists_every_step(wordnet, tmp_path):
    lists = {
        "Emotions": [
            KeywordList(["joy", "fear", "spring", "day", "hope"], "one.txt"),
            KeywordList(["Joy", "fear", "spring", "day"], "two.txt"),
        ],
        "Time": [KeywordList(["day", "week"], "three.txt")],
    }
    emotions, time = build_concepts(lists, wordnet, BuildOptions(depth=1))
    assert emotions.keywords[:2] == ("joy", "fear")
    assert "spring" not in emotions.keywords
    assert "day" not in (*emotions.keywords, *time.keywords)
    reasons = {r["keyword"]: r for r in emotions.provenance["removed"]}
    assert "2 dominant senses" in reasons["spring"]["reason"]
    assert reasons["day"]["reason"] == "also in Time"
    assert {a["keyword"] for a in emotions.provenance["added"]} == set(emotions.keywords[2:])
    assert emotions.provenance["lists"][0] == {"source": "one.txt", "keywords": lists["Emotions"][0].keywords}
    write_concepts(tmp_path / "built.json", [emotions, time])
    assert read_concepts(tmp_path / "built.json")[0] == emotions
    with pytest.raises(InputError, match="ambiguous or shared"):
        build_concepts({"c": [KeywordList(["spring"], "x")]}, wordnet)
    plain = build_concepts(lists, wordnet, BuildOptions(remove_ambiguous=False, remove_shared=False, depth=0))
    assert plain[0].keywords == ("joy", "fear", "spring", "day")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('["joy", "fear"]', ["joy", "fear"]),
        ('Here you are:\n```json\n["joy",\n "Fear", "joy"]\n```', ["joy", "Fear"]),
        ("- joy\n* **fear**\n3) hope", ["joy", "fear", "hope"]),
        ("joy, fear; hope.", ["joy", "fear", "hope"]),
        ("[1] joy\n[2] fear", ["joy", "fear"]),
        ("I am sorry, but I can not answer that question for you.", ["I am sorry"]),
        ("", []),
        ("[]", []),
    ],
)
def test_parsing_replies(reply, expected):
    assert parse_keywords(reply) == expected


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers as the protocol says, with a list that depends on the seed."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = json.dumps(["joy", "fear", f"word{request['seed']}"])
        if request["model"] == "empty":
            reply = "..."
        body = json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "fake-1",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}
                ],
            }
        ).encode()
        self.send_response(404 if request["model"] == "missing" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def fake_endpoint():
    pytest.importorskip("openai")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def test_asking_an_endpoint(fake_endpoint):
    lists = ask_for_lists("Emotions", Endpoint("m", fake_endpoint), lists=3, seed=5)
    assert [entry.keywords for entry in lists] == [["joy", "fear", f"word{seed}"] for seed in (5, 6, 7)]
    assert "secret" not in lists[0].source
    assert lists[0].details["answered_by"] == "fake-1"
    assert make_concept("c", intersect("c", [entry.keywords for entry in lists])).keywords == ("joy", "fear")
    with pytest.raises(InputError, match="gave no list for 'c'"):
        ask_for_lists("c", Endpoint("missing", fake_endpoint), lists=1)
    with pytest.raises(InputError, match="gave no keyword"):
        ask_for_lists("c", Endpoint("empty", fake_endpoint), lists=1)
    with pytest.raises(InputError, match="gave no list"):
        ask_for_lists("c", Endpoint("m", "http://127.0.0.1:9/v1", timeout=1), lists=1)


def test_without_the_client_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(InputError, match="llm"):
        ask_for_lists("c", Endpoint("m"), lists=1)
