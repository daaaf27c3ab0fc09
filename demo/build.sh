#!/usr/bin/env bash
# Every step from the story text to what the package carries, in order: about two hours of processor
# time on one core. The two language models, and the SAEs of the two, can be trained side by side.
#
#     pip install '.[train]' && demo/build.sh stories.txt
#
# Each training goes on from its last checkpoint when it is started again, and a step that is done is quick.
set -euo pipefail
stories=${1:?"usage: demo/build.sh STORIES.txt"}
here=$(cd "$(dirname "$0")" && pwd)
build=$here/build
assets=$here/../src/congruence/assets/demo
export OMP_NUM_THREADS=1

# 1. Documents: to train on, to validate on, to compare on. Checksums in build/text.json.
python "$here/text.py" --stories "$stories" --out "$build"

# 2. The tokenizer that both models share.
python "$here/tokenizer.py" --build "$build"

# 3. The language models, from different seeds and in different data orders.
for size in small large; do
    test -f "$build/$size.figures.json" || python "$here/language_models.py" --build "$build" --size "$size"
done

# 4. SAEs of every layer, and a second seed of the middle one.
for size in small large; do
    congruence train-sae "$here/$size-saes.yaml" --out "$build/$size-saes"
    congruence train-sae "$here/$size-ceiling.yaml" --out "$build/$size-ceiling"
done

# 5. Into the package, with checksums; then the tables of the documentation.
python "$here/assemble.py" --build "$build" --assets "$assets"
python "$here/figures.py" --build "$build" --assets "$assets" --docs "$here/../docs/demo-models.md"
