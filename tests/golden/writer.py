"""How most of the scripts here write their file: a header, then one line for each case."""

import json
from pathlib import Path


def write(script, header, cases):
    """Write the cases, a list or a dict of them, to the file that the script ``make_<name>.py`` is named after."""
    script = Path(script)
    path = script.with_name(script.stem.removeprefix("make_") + ".json")
    head = json.dumps({"made_by": f"tests/golden/{script.name}"} | header)[1:-1]
    if isinstance(cases, dict):
        lines, brackets = [f" {json.dumps(name)}: {json.dumps(case)}" for name, case in cases.items()], "{}"
    else:
        lines, brackets = [f" {json.dumps(case)}" for case in cases], "[]"
    path.write_text("{" + head + ',\n"cases": ' + brackets[0] + "\n" + ",\n".join(lines) + f"\n{brackets[1]}}}\n")
    print(f"{path.name}: {path.stat().st_size} bytes, {len(cases)} cases")
