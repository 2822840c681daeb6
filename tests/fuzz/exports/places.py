"""Exports that differ in their files: folders, packing, encodings, formats and names."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.feather

from tests.fuzz.exports.export import Export, as_csv
from tests.fuzz.exports.kinds import REFUSED, SAME, Kinds, any_table

KINDS = Kinds()


@KINDS.gives(SAME)
def a_folder_of_files_with_other_columns_first(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"].assign(p_conversion="0.5")
    cut = int(rng.integers(1, len(rows)))
    parts = {"emea.csv": as_csv(rows[:cut]), "apac.csv": as_csv(rows[cut:][list(rows.columns[::-1])], ";")}
    return export.with_folder("scores", {**parts, "_SUCCESS": b"", ".emea.csv.crc": b"crc\x00"})


@KINDS.gives(REFUSED)
def a_folder_in_the_folder(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    cut = int(rng.integers(1, len(rows)))
    return export.with_folder("scores", {"p.csv": as_csv(rows[:cut]), "late/p.csv": as_csv(rows[cut:])})


@KINDS.gives(REFUSED)
def a_file_of_the_folder_without_a_column(export: Export, rng: np.random.Generator) -> Export:
    rows = export.rows["scores"]
    cut = int(rng.integers(1, len(rows)))
    parts = {"1.csv": as_csv(rows[:cut]), "2.csv": as_csv(rows[cut:].drop(columns="expected_revenue"))}
    return export.with_folder("scores", parts)


@KINDS.gives(SAME)
def folders_by_fund(export: Export, rng: np.random.Generator) -> Export:
    parts = {}
    for fund, rows in export.rows["scores"].groupby("fund_id"):
        others = rows.drop(columns="fund_id")
        if rng.random() < 0.5:
            parts[f"fund_id={fund}/p.csv"] = as_csv(others)
        else:
            parts[f"fund_id={fund}/p.csv.gz"] = gzip.compress(as_csv(others))
    return export.with_folder("scores", parts)


@KINDS.gives(SAME)
def packed(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    pack, ending = ((gzip.compress, ".gz"), (bz2.compress, ".bz2"), (gzip.compress, ""))[int(rng.integers(3))]
    return export.with_file(name, pack(as_csv(export.rows[name])), f"{name}.csv{ending}")


@KINDS.gives(REFUSED)
def another_encoding(export: Export, rng: np.random.Generator) -> Export:
    name = ("scores", "funds", "demands")[int(rng.integers(3))]
    encoding = ("gb18030", "utf-16", "utf-16-le", "utf-8-in-cp1252")[int(rng.integers(4))]
    text = as_csv(export.rows[name]).decode()  # type: ignore[index]
    content = text.replace("基金", "é").encode("cp1252") if encoding == "utf-8-in-cp1252" else text.encode(encoding)
    return export.with_file(name, content)  # type: ignore[arg-type]


@KINDS.gives(REFUSED)
def a_workbook_or_an_archive(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        inner = ("[Content_Types].xml", f"{name}.csv")[int(rng.integers(2))]
        made.writestr(inner, as_csv(export.rows[name]))
    return export.with_file(
        name, content.getvalue(), (f"{name}.xlsx", f"{name}.zip", f"{name}.csv")[int(rng.integers(3))]
    )


@KINDS.gives(REFUSED)
def another_format(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    if rng.random() < 0.5:
        return export.with_file(name, export.rows[name].to_json(orient="records").encode(), f"{name}.json")
    content = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(export.rows[name]), content)
    return export.with_file(name, content.getvalue(), f"{name}.feather")


@KINDS.gives(SAME)
def a_name_that_looks_like_a_pattern(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    odd = (
        f"{name}[1].csv",
        f"{name}*",
        f"{name}?.csv",
        f"{name}{{1,2}}.csv",
        f"_{name}.csv",
        f".{name}",
        f"{name}:1.csv",
    )
    decoy = as_csv(export.rows[name][:1])
    chosen = odd[int(rng.integers(len(odd)))]
    made = replace(export, files={**export.files, f"{name}1.csv": decoy, f"{name}x.csv": decoy})
    return made.with_file(name, as_csv(export.rows[name]), chosen)
