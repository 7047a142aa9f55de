#!/usr/bin/env python3
"""Writes tests/LlmFusion.Chemistry.Tests/Golden/structure_descriptors.tsv.gz: what Python's RDKit says of pretraining's descriptors.

    python3 tools/record_structure_descriptors.py tests/LlmFusion.Chemistry.Tests/Golden

Reads the molecules of chem_golden.tsv.gz in that folder, every fifth of them. Recorded with RDKit 2026.09.1.
"""

import gzip
import os
import sys

from rdkit import Chem, RDLogger, rdBase
from rdkit.Chem import rdMolDescriptors as d

CALCULATED = [f"Chi{n}{kind}" for kind in "vn" for n in range(5)] + [
    "HallKierAlpha", "Kappa1", "Kappa2", "Kappa3", "Phi", "LabuteASA", "FractionCSP3",
    "NumSpiroAtoms", "NumBridgeheadAtoms", "NumHeteroatoms", "NumAmideBonds",
]
RINGS = ["NumIndependentRings", "NumRingAtoms", "NumSaturatedRingCarbons", "NumRingHeteroatoms"]
ELEMENTS = {"NumCarbon": (6,), "NumNitrogen": (7,), "NumOxygen": (8,), "NumSulfur": (16,), "NumPhosphorus": (15,), "NumHalogen": (9, 17, 35, 53)}
NAMES = CALCULATED + RINGS + list(ELEMENTS) + ["SumOfAbsoluteCharges"] + [f"PEOE_VSA{i}" for i in range(1, 15)]


def values(molecule):
    atoms = list(molecule.GetAtoms())
    yield from (getattr(d, "Calc" + name)(molecule) for name in CALCULATED)
    ring = [a for a in atoms if a.IsInRing()]
    yield molecule.GetNumBonds() - len(atoms) + len(Chem.GetMolFrags(molecule))
    yield len(ring)
    yield sum(a.GetAtomicNum() == 6 and a.GetTotalDegree() == 4 for a in ring)
    yield sum(a.GetAtomicNum() != 6 for a in ring)
    yield from (sum(a.GetAtomicNum() in numbers for a in atoms) for numbers in ELEMENTS.values())
    yield sum(abs(a.GetFormalCharge()) for a in atoms)
    yield from d.PEOE_VSA_(molecule)


def main(folder):
    RDLogger.DisableLog("rdApp.*")
    with gzip.open(os.path.join(folder, "chem_golden.tsv.gz"), "rt") as golden:
        smiles = [line.split("\t")[1] for line in golden][1::5]
    with open(os.path.join(folder, "structure_descriptors.tsv.gz"), "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        packed.write(("\t".join(["smiles", *NAMES]) + "\n").encode())
        for one in smiles:
            packed.write(("\t".join([one, *(f"{v:.7g}" for v in values(Chem.MolFromSmiles(one)))]) + "\n").encode())
    print(f"RDKit {rdBase.rdkitVersion}: {len(smiles)} molecules, {len(NAMES)} descriptors")


main(sys.argv[1])
