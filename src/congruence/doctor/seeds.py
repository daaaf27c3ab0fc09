"""SAEs of two seeds of one layer: whether they come from one start, so that no ceiling can rest on them."""

from congruence.doctor.records import Record
from congruence.errors import CongruenceError
from congruence.matching.equal_index import equal_index
from congruence.sides.sample import Sample
from congruence.sides.side import Side, fed_place
from congruence.significance import max_t

ALARM = 0.01


def seed_records(side: Side, sample: Sample) -> list[Record]:
    """A record of each layer that has SAEs of two seeds with as many features.

    Args:
        side: with its SAEs.
        sample: of its text.

    Returns:
        Warnings where features of equal index agree more than re-paired ones, else that they don't.
    """
    records = []
    for layer, other in side.other_seed.items():
        about = {"side": side.name, "layer": layer, "seed": "other_seed"}
        sae = side.saes.get(layer)
        try:
            place = fed_place(side, layer)
            x = sample.states(place)[sample.ordinary(place)]
            if sae is None or (sae.d_in, sae.d_sae) != (other.d_in, other.d_sae) or sae.d_in != x.shape[-1]:
                continue
            rows = [one.W_dec.detach().float().cpu().numpy() for one in (sae, other)]
            found = equal_index(sae.encode_csr(x), other.encode_csr(x), *rows)
        except CongruenceError:  # told in the record of the SAE that can't be used
            continue
        if found is None:
            continue
        p = float(max_t([found.r, found.cosine], found.draws).min())
        numbers = (
            f"mean r {found.r:.2f}, re-paired {found.null_r:.2f}, decoder cosine {found.cosine:.2f} and "
            f"{found.null_cosine:.2f} (p {p:.2g})"
        )
        if p > ALARM:
            message = f"features of equal index agree no more than others: {numbers}"
            records.append(Record("equal index", "ok", message, **about))
            continue
        message = f"features of equal index agree more than others in the SAEs of two seeds: {numbers}"
        remedy = (
            "they seem to come from one start: take a seed that starts elsewhere, or the ceiling is too high"
        )
        records.append(Record("equal index", "warning", message, remedy, **about))
    return records
