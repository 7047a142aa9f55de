#include "llmfusion_rdkit.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <numeric>
#include <ostream>
#include <random>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <vector>

#include <GraphMol/ChemTransforms/ChemTransforms.h>
#include <GraphMol/Descriptors/ConnectivityDescriptors.h>
#include <GraphMol/Descriptors/Crippen.h>
#include <GraphMol/Descriptors/Lipinski.h>
#include <GraphMol/Descriptors/MolDescriptors.h>
#include <GraphMol/Descriptors/MolSurf.h>
#include <GraphMol/FileParsers/FileParsers.h>
#include <GraphMol/Fingerprints/MorganFingerprints.h>
#include <GraphMol/GraphMol.h>
#include <GraphMol/MolDraw2D/MolDraw2DSVG.h>
#include <GraphMol/MolDraw2D/MolDraw2DUtils.h>
#include <GraphMol/MolOps.h>
#include <GraphMol/SmilesParse/SmilesParse.h>
#include <GraphMol/SmilesParse/SmilesWrite.h>
#include <GraphMol/Substruct/SubstructMatch.h>
#include <RDGeneral/Invariant.h>
#include <RDGeneral/RDLog.h>
#include <RDGeneral/versions.h>

struct llmf_molecule {
  explicit llmf_molecule(RDKit::ROMol *read) : mol(read) {}
  std::mutex busy;
  std::unique_ptr<RDKit::ROMol> mol;
};

struct llmf_patterns {
  std::vector<std::unique_ptr<RDKit::ROMol>> queries;
};

namespace {

thread_local std::string logged;  // what RDKit's error log received during this thread's call
thread_local std::string reason;
thread_local std::string text_out;
thread_local std::vector<int32_t> bits_out;  // or atoms
thread_local std::vector<int32_t> counts_out;  // or bonds

// RDKit explains a refused SMILES in its error log only: a stream buffer that keeps each thread's text apart catches it.
// The one ostream above it is shared, but text written to it changes nothing in it: no lock is needed.
class ThreadLog : public std::streambuf {
 protected:
  int_type overflow(int_type c) override {
    if (c != traits_type::eof()) logged.push_back(static_cast<char>(c));
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char *text, std::streamsize n) override {
    logged.append(text, static_cast<size_t>(n));
    return n;
  }
};

// Debian's RDKit logs to stderr; this library's errors go to the caller, its warnings nowhere.
struct Logs {
  Logs() {
    // Never freed: RDKit may log from static destructors.
    auto *stream = new std::ostream(new ThreadLog);
    rdErrorLog = std::make_shared<boost::logging::rdLogger>(stream);
    for (RDLogger *log : {&rdAppLog, &rdDebugLog, &rdInfoLog, &rdWarningLog, &rdStatusLog}) log->reset();
  }
} const logs;

// The log's lines without their "[12:34:56] " prefixes, joined by "; ". After a reason, RDKit repeats the whole SMILES on
// a line of its own: the caller knows it.
std::string clean(const std::string &log) {
  std::string joined;
  for (size_t start = 0; start < log.size();) {
    size_t end = log.find('\n', start);
    if (end == std::string::npos) end = log.size();
    std::string line = log.substr(start, end - start);
    start = end + 1;
    if (line.size() > 2 && line[0] == '[' && line[1] >= '0' && line[1] <= '9') {
      size_t close = line.find("] ");
      if (close != std::string::npos) line.erase(0, close + 2);
    }
    size_t last = line.find_last_not_of(" \t\r");
    line.erase(last == std::string::npos ? 0 : last + 1);
    if (line.empty()) continue;
    if (!joined.empty() && line.rfind("SMILES Parse Error: Failed parsing SMILES", 0) == 0) continue;
    if (!joined.empty()) joined += "; ";
    joined += line;
  }
  return joined;
}

llmf_status because(llmf_status status, const std::string &why) {
  reason = clean(why);
  if (reason.empty()) reason = "RDKit gave no reason";
  return status;
}

// No C++ exception may cross the ABI. `thrown` is the status of RDKit's own exceptions.
template <typename Body>
llmf_status guarded(llmf_status thrown, Body body) noexcept {
  try {
    logged.clear();
    return body();
  } catch (const Invar::Invariant &e) {
    return because(LLMF_FAILED, e.what());
  } catch (const std::bad_alloc &) {
    return because(LLMF_FAILED, "out of memory");
  } catch (const std::exception &e) {
    return because(thrown, e.what());
  } catch (...) {
    return because(LLMF_FAILED, "unknown C++ exception");
  }
}

template <typename Body>
llmf_status with(llmf_molecule *molecule, Body body) noexcept {
  return guarded(LLMF_FAILED, [&] {
    std::lock_guard<std::mutex> lock(molecule->busy);
    body(*molecule->mol);
    return LLMF_OK;
  });
}

llmf_status hand_over(RDKit::ROMol *mol, llmf_molecule **molecule) {
  std::unique_ptr<RDKit::ROMol> owned(mol);
  if (!owned) return because(LLMF_REFUSED, logged);
  if (owned->getNumAtoms() == 0) return because(LLMF_REFUSED, "the molecule has no atoms");
  *molecule = new llmf_molecule(owned.release());
  return LLMF_OK;
}

void hand_over_text(std::string &&result, const char **text, size_t *length) {
  text_out = std::move(result);
  *text = text_out.data();
  *length = text_out.size();
}

int32_t hybridisation_code(RDKit::Atom::HybridizationType hybridisation) {
  switch (hybridisation) {
    case RDKit::Atom::SP: return 1;
    case RDKit::Atom::SP2: return 2;
    case RDKit::Atom::SP3: return 3;
    case RDKit::Atom::SP3D: return 4;
    case RDKit::Atom::SP3D2: return 5;
    default: return 0;
  }
}

// By CIP label and not by the direction in which neighbours are listed, which changes with their order.
int32_t chirality_code(const RDKit::Atom &atom) {
  std::string label;
  if (atom.getPropIfPresent(RDKit::common_properties::_CIPCode, label)) return label == "R" ? 1 : label == "S" ? 2 : 3;
  return atom.getChiralTag() == RDKit::Atom::CHI_UNSPECIFIED ? 0 : 3;
}

int32_t bond_code(RDKit::Bond::BondType type) {
  switch (type) {
    case RDKit::Bond::SINGLE: return 0;
    case RDKit::Bond::DOUBLE: return 1;
    case RDKit::Bond::TRIPLE: return 2;
    case RDKit::Bond::AROMATIC: return 3;
    default: return 4;
  }
}

int32_t stereo_code(RDKit::Bond::BondStereo stereo) {
  switch (stereo) {
    case RDKit::Bond::STEREONONE: return 0;
    case RDKit::Bond::STEREOE: return 1;
    case RDKit::Bond::STEREOZ: return 2;
    default: return 3;
  }
}

}  // namespace

const char *llmf_version(void) { return RDKit::rdkitVersion; }

void llmf_reason(const char **text, size_t *length) {
  *text = reason.data();
  *length = reason.size();
}

llmf_status llmf_molecule_from_smiles(const char *smiles, size_t length, llmf_molecule **molecule) {
  *molecule = nullptr;
  return guarded(LLMF_REFUSED, [&] { return hand_over(RDKit::SmilesToMol(std::string(smiles, length)), molecule); });
}

llmf_status llmf_molecule_from_mol_block(const char *block, size_t length, llmf_molecule **molecule) {
  *molecule = nullptr;
  return guarded(LLMF_REFUSED, [&] { return hand_over(RDKit::MolBlockToMol(std::string(block, length)), molecule); });
}

llmf_status llmf_molecule_without_hydrogens(llmf_molecule *molecule, llmf_molecule **without) {
  *without = nullptr;
  return with(molecule, [&](RDKit::ROMol &mol) {
    for (const auto atom : mol.atoms()) {
      if (atom->getAtomicNum() != 1) continue;
      *without = new llmf_molecule(RDKit::MolOps::removeHs(mol));
      return;
    }
  });
}

void llmf_molecule_free(llmf_molecule *molecule) { delete molecule; }

llmf_status llmf_smiles(llmf_molecule *molecule, int32_t stereo, const char **text, size_t *length) {
  return with(molecule,
              [&](RDKit::ROMol &mol) { hand_over_text(RDKit::MolToSmiles(mol, stereo != 0), text, length); });
}

llmf_status llmf_random_smiles(llmf_molecule *molecule, uint64_t seed, const char **text, size_t *length) {
  // RDKit's own doRandom draws from one generator of the whole process: neither repeatable nor safe with several threads.
  return with(molecule, [&](RDKit::ROMol &mol) {
    std::vector<unsigned int> order(mol.getNumAtoms());
    std::iota(order.begin(), order.end(), 0u);
    std::mt19937_64 random(seed);
    // std::shuffle is free to differ between standard libraries.
    for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[random() % i]);
    std::unique_ptr<RDKit::ROMol> shuffled(RDKit::MolOps::renumberAtoms(mol, order));
    hand_over_text(RDKit::MolToSmiles(*shuffled, true, false, -1, false), text, length);
  });
}

llmf_status llmf_murcko_scaffold(llmf_molecule *molecule, const char **text, size_t *length) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    std::unique_ptr<RDKit::ROMol> scaffold(RDKit::MurckoDecompose(mol));
    scaffold->clearComputedProps();
    scaffold->updatePropertyCache();
    RDKit::MolOps::symmetrizeSSSR(*scaffold);
    hand_over_text(RDKit::MolToSmiles(*scaffold, false), text, length);
  });
}

llmf_status llmf_svg(llmf_molecule *molecule, int32_t width, int32_t height, const char **text, size_t *length) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    RDKit::MolDraw2DSVG drawer(width, height);
    RDKit::MolDraw2DUtils::prepareAndDrawMolecule(drawer, mol);
    drawer.finishDrawing();
    hand_over_text(drawer.getDrawingText(), text, length);
  });
}

llmf_status llmf_morgan(llmf_molecule *molecule, uint32_t radius, uint32_t size, const int32_t **bits,
                        const int32_t **counts, size_t *length) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    std::unique_ptr<RDKit::SparseIntVect<std::uint32_t>> fingerprint(
        RDKit::MorganFingerprints::getHashedFingerprint(mol, radius, size));
    bits_out.clear();
    counts_out.clear();
    for (const auto &[bit, count] : fingerprint->getNonzeroElements()) {  // a std::map: ascending
      bits_out.push_back(static_cast<int32_t>(bit));
      counts_out.push_back(count);
    }
    *bits = bits_out.data();
    *counts = counts_out.data();
    *length = bits_out.size();
  });
}

llmf_status llmf_graph(llmf_molecule *molecule, const int32_t **atoms, size_t *atom_count, const int32_t **bonds,
                       size_t *bond_count) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    std::unique_ptr<RDKit::ROMol> read(RDKit::SmilesToMol(RDKit::MolToSmiles(mol)));
    const RDKit::ROMol &canonical = read ? *read : mol;  // a few molecules' own SMILES is refused
    const RDKit::RingInfo &ring_info = *canonical.getRingInfo();
    std::vector<int32_t> rings(canonical.getNumAtoms());
    for (const auto &ring : ring_info.atomRings())
      for (int atom : ring) rings[atom] |= 1 << std::min<size_t>(ring.size() - 3, 6);

    bits_out.clear();
    counts_out.clear();
    for (const auto atom : canonical.atoms())
      bits_out.insert(bits_out.end(),
                      {atom->getAtomicNum(), atom->getFormalCharge(), static_cast<int32_t>(atom->getTotalNumHs()),
                       static_cast<int32_t>(atom->getDegree()), atom->getIsAromatic(),
                       hybridisation_code(atom->getHybridization()), rings[atom->getIdx()], chirality_code(*atom)});
    std::vector<std::array<int32_t, LLMF_BOND_CODES>> sorted;
    for (const auto bond : canonical.bonds()) {
      const auto [first, second] = std::minmax({bond->getBeginAtomIdx(), bond->getEndAtomIdx()});
      sorted.push_back({static_cast<int32_t>(first), static_cast<int32_t>(second), bond_code(bond->getBondType()),
                        bond->getIsConjugated(), ring_info.numBondRings(bond->getIdx()) > 0,
                        stereo_code(bond->getStereo())});
    }
    std::sort(sorted.begin(), sorted.end());
    for (const auto &bond : sorted) counts_out.insert(counts_out.end(), bond.begin(), bond.end());
    *atoms = bits_out.data();
    *atom_count = bits_out.size() / LLMF_ATOM_CODES;
    *bonds = counts_out.data();
    *bond_count = counts_out.size() / LLMF_BOND_CODES;
  });
}

llmf_status llmf_logp(llmf_molecule *molecule, double *logp) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    double refractivity;
    RDKit::Descriptors::calcCrippenDescriptors(mol, *logp, refractivity);
  });
}

llmf_status llmf_descriptors_of(llmf_molecule *molecule, llmf_descriptors *descriptors) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    descriptors->weight = RDKit::Descriptors::calcAMW(mol);
    descriptors->tpsa = RDKit::Descriptors::calcTPSA(mol);
    descriptors->donors = static_cast<int32_t>(RDKit::Descriptors::calcNumHBD(mol));
    descriptors->acceptors = static_cast<int32_t>(RDKit::Descriptors::calcNumHBA(mol));
    descriptors->rotatable =
        static_cast<int32_t>(RDKit::Descriptors::calcNumRotatableBonds(mol, RDKit::Descriptors::Strict));
    descriptors->rings = static_cast<int32_t>(RDKit::Descriptors::calcNumRings(mol));
  });
}

llmf_status llmf_structure_descriptors(llmf_molecule *molecule, double *values, size_t count) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    using namespace RDKit::Descriptors;
    std::vector<double> all{calcChi0v(mol),         calcChi1v(mol),    calcChi2v(mol), calcChi3v(mol), calcChi4v(mol),
                            calcChi0n(mol),         calcChi1n(mol),    calcChi2n(mol), calcChi3n(mol), calcChi4n(mol),
                            calcHallKierAlpha(mol), calcKappa1(mol),   calcKappa2(mol), calcKappa3(mol), calcPhi(mol),
                            calcLabuteASA(mol),     calcFractionCSP3(mol)};
    for (unsigned int number :
         {calcNumSpiroAtoms(mol), calcNumBridgeheadAtoms(mol), calcNumHeteroatoms(mol), calcNumAmideBonds(mol)})
      all.push_back(number);
    // Not RDKit's ring counts: which smallest rings a cage has depends on its version.
    std::vector<int> fragments;
    double rings = static_cast<double>(mol.getNumBonds()) - mol.getNumAtoms() + RDKit::MolOps::getMolFrags(mol, fragments);
    double in_ring = 0, saturated_in_ring = 0, hetero_in_ring = 0;
    double carbon = 0, nitrogen = 0, oxygen = 0, sulfur = 0, phosphorus = 0, halogen = 0, charge = 0;
    for (const auto atom : mol.atoms()) {
      switch (atom->getAtomicNum()) {
        case 6: carbon++; break;
        case 7: nitrogen++; break;
        case 8: oxygen++; break;
        case 15: phosphorus++; break;
        case 16: sulfur++; break;
        case 9: case 17: case 35: case 53: halogen++; break;
      }
      charge += std::abs(atom->getFormalCharge());
      if (!mol.getRingInfo()->numAtomRings(atom->getIdx())) continue;
      in_ring++;
      if (atom->getAtomicNum() != 6) hetero_in_ring++;
      else if (atom->getTotalDegree() == 4) saturated_in_ring++;
    }
    all.insert(all.end(), {rings, in_ring, saturated_in_ring, hetero_in_ring, carbon, nitrogen, oxygen, sulfur, phosphorus, halogen, charge});
    for (double surface : calcPEOE_VSA(mol)) all.push_back(surface);
    if (all.size() != count)
      throw std::length_error("structure descriptors: got " + std::to_string(count) + " places, expected " +
                              std::to_string(all.size()));
    std::copy(all.begin(), all.end(), values);
  });
}

llmf_status llmf_patterns_new(const char *const *smarts, size_t count, llmf_patterns **patterns) {
  *patterns = nullptr;
  return guarded(LLMF_REFUSED, [&] {
    auto read = std::make_unique<llmf_patterns>();
    for (size_t i = 0; i < count; i++) {
      read->queries.emplace_back(RDKit::SmartsToMol(smarts[i]));
      if (!read->queries.back()) return because(LLMF_REFUSED, logged);
    }
    *patterns = read.release();
    return LLMF_OK;
  });
}

void llmf_patterns_free(llmf_patterns *patterns) { delete patterns; }

llmf_status llmf_patterns_match(llmf_patterns *patterns, llmf_molecule *molecule, uint32_t limit, int32_t *matches) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    RDKit::SubstructMatchParameters parameters;
    parameters.maxMatches = limit;
    for (const auto &query : patterns->queries)
      *matches++ = static_cast<int32_t>(RDKit::SubstructMatch(mol, *query, parameters).size());
  });
}

llmf_status llmf_patterns_rings_after_deletion(llmf_patterns *patterns, size_t index, llmf_molecule *molecule,
                                               int32_t *rings) {
  return with(molecule, [&](RDKit::ROMol &mol) {
    std::unique_ptr<RDKit::ROMol> rest(RDKit::deleteSubstructs(mol, *patterns->queries.at(index)));
    *rings = RDKit::MolOps::findSSSR(*rest);
  });
}
