#!/usr/bin/env bash
# A comparison on a Slurm allocation: Ray on every node, the run on the first.
#
#     sbatch cluster/slurm.sh CONFIG OUT
#
# CONFIG and OUT lie on a file system that all nodes share. A job that ran out of time goes on from where it
# was when it is submitted again.
#SBATCH --job-name=congruence
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --output=congruence-%j.log
#SBATCH --signal=B:TERM@120
set -euo pipefail

config=${1:?usage: sbatch slurm.sh CONFIG OUT}
out=${2:?usage: sbatch slurm.sh CONFIG OUT}

cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
others=$((SLURM_JOB_NUM_NODES - 1))
port=$((20000 + SLURM_JOB_ID % 10000))
address="$first:$port"
# other people's jobs on the same node have folders and ports of their own
folder=$(mktemp -d "${TMPDIR:-/tmp}/ray-XXXXXX")

srun --nodes=1 --ntasks=1 --nodelist="$first" \
    ray start --head --node-ip-address="$first" --port="$port" --temp-dir="$folder" \
    --num-cpus="$cpus" --num-gpus="$gpus" --include-dashboard=false --block &
until ray status --address="$address" >/dev/null 2>&1; do sleep 2; done

if ((others > 0)); then
    srun --nodes="$others" --ntasks="$others" --exclude="$first" \
        ray start --address="$address" --num-cpus="$cpus" --num-gpus="$gpus" --block &
fi

congruence run "$config" --out "$out" --runner ray \
    --set runner.address="$address" --set runner.cpus="$((cpus < 4 ? cpus : 4))" \
    --set runner.gpus_per_capture="$((gpus > 0 ? 1 : 0))" &
run=$!
trap 'kill -TERM "$run"' TERM # two minutes before the time is up: what is finished is kept
status=0
wait "$run" || status=$?
wait "$run" 2>/dev/null || true
ray stop >/dev/null 2>&1 || true
exit "$status"
