"""Run by an interpreter that has pm4py (AGPL, never installed beside the product): reads an export and prints what it counts."""

import json
import sys


def main(kind: str, path: str) -> dict[str, object]:
    import pm4py  # noqa: PLC0415

    if kind == "xes":
        log = pm4py.read_xes(path)
        return {
            "events": len(log),
            "cases": int(log["case:concept:name"].nunique()),
            "activities": int(log["concept:name"].nunique()),
            "variants": len(pm4py.get_variants(log)),
        }
    read = pm4py.read_ocel2_json if kind == "ocel2-json" else pm4py.read_ocel2_sqlite
    ocel = read(path)
    return {
        "events": len(ocel.events),
        "objects": len(ocel.objects),
        "relations": len(ocel.relations),
        "by_type": {kind: int(count) for kind, count in ocel.objects[ocel.object_type_column].value_counts().items()},
        "activities": int(ocel.events["activity"].nunique()) if "activity" in ocel.events else 0,
    }


if __name__ == "__main__":
    print("COUNTED " + json.dumps(main(sys.argv[1], sys.argv[2])))  # noqa: T201
