#!/usr/bin/env python3
"""Writes tests/LlmFusion.Transformers.Tests/Golden/pretrain_tokenizers.json: what Hugging Face's tokenizers makes of small corpora.

    python3 tools/record_pretrain_tokenizers.py tests/LlmFusion.Transformers.Tests/Golden

Byte-level BPE is trained on random sentences of a fixed seed; word-level vocabularies of SMILES and SELFIES are put together as
LlmFusion writes them. Recorded with tokenizers 0.23.1.
"""

import json
import os
import random
import sys

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SMILES_PATTERN, SELFIES_PATTERN = r"\[[^\]]*\]|Br|Cl|%\([0-9]+\)|%[0-9]{2}|.", r"\[[^\]]*\]|."
SMILES = ["CCO", "C1=CC=CC=C1", "CC(=O)Oc1ccccc1C(=O)O", "[Na+].[Cl-]", "C[C@@H](C(=O)O)N", "F/C=C/F", "C%12CCCCC%12", "BrCCl", "[nH]1cccc1", "C%(100)CC%(100)", "N#N é", ""]
SELFIES = ["[C] [C] [O]", "[C][=C][C][=C][C][=C][Ring1][=Branch1]", "[Na+1] . [Cl-1]", "[Na+1].[Cl-1]", "[Nop] [C]", ""]
TEXTS = ["The molecule is an acid.", "  It has a role as a (2S)-metabolite of mouse; see 12.5 mg", "café Ångström 分子", "aaaa aaaaa aaaaaaaa", ""]


def sentences():
    rnd = random.Random(5)
    syllables = ["ole", "ic", "acid", "hydroxy", "methyl", "eth", "an", "one", "amin", "o", "prop", "yl", "2", "(S)-", "-", "aa", "aaa", "é"]
    words = ["".join(rnd.choice(syllables) for _ in range(rnd.randint(1, 4))) for _ in range(120)] + ["The", "molecule", "is", "a", "of", "It's", "conjugate", "base,"]
    return [" ".join(rnd.choices(words, weights=[1 / (i + 1) for i in range(len(words))], k=rnd.randint(4, 20))) + "." for _ in range(300)]


def byte_level(texts, size, minimum):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, min_frequency=minimum, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, list) else m.split(" ") for m in model["merges"]]
    return {"corpus": texts, "size": size, "minimum": minimum, "tokens": vocabulary, "merges": merges, "texts": TEXTS, "ids": [tokenizer.encode(t).ids for t in TEXTS]}


def word_level(words, pattern, texts):
    tokens = SPECIAL + words
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(pattern), "isolated")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(SPECIAL)
    return {"tokens": tokens, "pattern": pattern, "texts": texts, "ids": [tokenizer.encode(t).ids for t in texts]}


texts = sentences()
golden = {
    "bpe": byte_level(texts, 600, 2),
    "bpe_rare": byte_level(texts, 4096, 12),
    "smiles": word_level(["C", "(", ")", "c", "1", "=", "O", "N", "[C@@H]", "[Na+]", "[Cl-]", ".", "Br", "Cl", "F", "/", "%12", "[nH]", "%(100)"], SMILES_PATTERN, SMILES),
    "selfies": word_level(["[C]", "[O]", "[=C]", "[Ring1]", "[=Branch1]", "[Na+1]", "[Cl-1]", "."], SELFIES_PATTERN, SELFIES),
}
with open(os.path.join(sys.argv[1], "pretrain_tokenizers.json"), "w", encoding="utf-8") as file:
    json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
print(len(golden["bpe"]["merges"]), len(golden["bpe_rare"]["merges"]))
