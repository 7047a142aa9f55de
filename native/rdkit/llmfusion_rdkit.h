/* A thin C ABI over RDKit.
 *
 * Every function answers a status. After a status other than LLMF_OK, llmf_reason() of the same thread is RDKit's own
 * explanation. Text and arrays handed out by pointer belong to the calling thread and hold until its next call here.
 * All functions may be called from any thread, also with the same molecule: RDKit caches computed properties inside a
 * molecule, so each molecule has its own lock. There is no lock shared by different molecules. */
#ifndef LLMFUSION_RDKIT_H
#define LLMFUSION_RDKIT_H

#include <stddef.h>
#include <stdint.h>

#define LLMF_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  LLMF_OK = 0,
  LLMF_REFUSED = 1, /* RDKit read the input and found it to be no molecule (or no pattern) */
  LLMF_FAILED = 2   /* RDKit or the system gave up on a legal input */
} llmf_status;

typedef struct llmf_molecule llmf_molecule;
typedef struct llmf_patterns llmf_patterns;

typedef struct {
  double weight;     /* average molecular weight, g/mol */
  double tpsa;       /* topological polar surface area after Ertl, square angstrom, N and O only */
  int32_t donors;    /* hydrogen-bond donors */
  int32_t acceptors; /* hydrogen-bond acceptors */
  int32_t rotatable; /* rotatable bonds, strict definition */
  int32_t rings;     /* rings, smallest set (symmetrised) */
} llmf_descriptors;

LLMF_API const char *llmf_version(void);
/* Why the last call of this thread was not LLMF_OK. */
LLMF_API void llmf_reason(const char **text, size_t *length);

LLMF_API llmf_status llmf_molecule_from_smiles(const char *smiles, size_t length, llmf_molecule **molecule);
LLMF_API llmf_status llmf_molecule_from_mol_block(const char *block, size_t length, llmf_molecule **molecule);
/* A copy without the hydrogen atoms that can be implicit; null where the molecule has no hydrogen atoms at all. */
LLMF_API llmf_status llmf_molecule_without_hydrogens(llmf_molecule *molecule, llmf_molecule **without);
LLMF_API void llmf_molecule_free(llmf_molecule *molecule);

/* Canonical SMILES; stereo 0 leaves out stereochemistry and isotopes. */
LLMF_API llmf_status llmf_smiles(llmf_molecule *molecule, int32_t stereo, const char **text, size_t *length);
/* Another SMILES of the same molecule: its atoms in the order that `seed` shuffles them into. */
LLMF_API llmf_status llmf_random_smiles(llmf_molecule *molecule, uint64_t seed, const char **text, size_t *length);
/* Canonical SMILES, without stereochemistry, of the Bemis-Murcko scaffold; empty for an acyclic molecule. */
LLMF_API llmf_status llmf_murcko_scaffold(llmf_molecule *molecule, const char **text, size_t *length);
LLMF_API llmf_status llmf_svg(llmf_molecule *molecule, int32_t width, int32_t height, const char **text, size_t *length);

/* Hashed Morgan fingerprint, no chirality: the set bits, ascending, and how many environments set each. */
LLMF_API llmf_status llmf_morgan(llmf_molecule *molecule, uint32_t radius, uint32_t size, const int32_t **bits,
                                 const int32_t **counts, size_t *length);

/* The molecule that the canonical SMILES names, as a graph, atoms in its order and bonds in that of their atoms: the same
 * however the molecule was written, also where rings (which RDKit finds in the order of the atoms) could be chosen otherwise. LLMF_ATOM_CODES numbers an atom: element, formal charge, hydrogens (all, also implicit),
 * neighbours, aromatic, hybridisation (0 other, 1 sp, 2 sp2, 3 sp3, 4 sp3d, 5 sp3d2), rings (a set: bit k for a ring of
 * k + 3 atoms, bit 6 for one of 9 and more), CIP label (0 none, 1 R, 2 S, 3 a stereocentre without one).
 * LLMF_BOND_CODES numbers a bond: its two atoms (ascending), type (0 single, 1 double, 2 triple, 3 aromatic, 4 other), conjugated,
 * in a ring, stereo (0 none, 1 E, 2 Z, 3 other). */
#define LLMF_ATOM_CODES 8
#define LLMF_BOND_CODES 6
LLMF_API llmf_status llmf_graph(llmf_molecule *molecule, const int32_t **atoms, size_t *atom_count,
                                const int32_t **bonds, size_t *bond_count);

LLMF_API llmf_status llmf_logp(llmf_molecule *molecule, double *logp);
/* The descriptors above; logp is apart because it costs more than all of them. */
LLMF_API llmf_status llmf_descriptors_of(llmf_molecule *molecule, llmf_descriptors *descriptors);

/* Descriptors of the structure for pretraining, in the order in which StructureDescriptors.cs names them; `count` is how
 * many are expected. A value may be no finite number where RDKit has no parameters for an element. */
LLMF_API llmf_status llmf_structure_descriptors(llmf_molecule *molecule, double *values, size_t count);

/* A list of SMARTS patterns. A list with recursive SMARTS is locked while it is matched: one list per thread. */
LLMF_API llmf_status llmf_patterns_new(const char *const *smarts, size_t count, llmf_patterns **patterns);
LLMF_API void llmf_patterns_free(llmf_patterns *patterns);
/* matches[i] = how many unique matches pattern i has, at most `limit`. */
LLMF_API llmf_status llmf_patterns_match(llmf_patterns *patterns, llmf_molecule *molecule, uint32_t limit, int32_t *matches);
/* Rings (smallest set) left after the atoms matching pattern `index` are deleted. */
LLMF_API llmf_status llmf_patterns_rings_after_deletion(llmf_patterns *patterns, size_t index, llmf_molecule *molecule,
                                                        int32_t *rings);

#ifdef __cplusplus
}
#endif
#endif
