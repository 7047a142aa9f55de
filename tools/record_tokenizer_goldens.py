#!/usr/bin/env python3
"""Writes tests/LlmFusion.Transformers.Tests/Golden/tokenizers: small tokenizers, and what Hugging Face makes of nasty texts.

Needs the Python packages `tokenizers` (0.23.1 when this was recorded) and `transformers` (5.12.1); give it the folder to
write. The cases gpt2 and roberta-own there are not made here: they come from transformers 4.47, and stay as they are.

    python3 tools/record_tokenizer_goldens.py tests/LlmFusion.Transformers.Tests/Golden/tokenizers

Everything is made here: the vocabularies are trained on the texts below, the random texts have a fixed seed. The same
packages give the same files. Each case is a folder with the tokenizer's files and golden.jsonl.gz, one JSON object a
line: text, ids with special tokens, mostly tokens, and where a limit is tried, max_length. components.jsonl.gz has single
normalizers and pre-tokenizers. Texts are Python's: they have no lone surrogates.
"""

import gzip
import json
import os
import random
import shutil
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SMILES = [
    "CCO", "C1=CC=CC=C1", "CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "[Na+].[Cl-]", "C[C@@H](C(=O)O)N", "F/C=C/F",
    "O=C(O)C[C@H](O)C[C@H](O)CCn2c(c(c(c2c1ccc(F)cc1)c3ccccc3)C(=O)Nc4ccccc4)C(C)C", "[13CH4]", "C%12CCCCC%12", "BrCCl", "[nH]1cccc1",
]
SELFIES = ["[C] [C] [O]", "[C] [=C] [C] [=C] [C] [=C] [Ring1] [=Branch1]", "[C] [C] [=Branch1] [C] [=O] [O]", "[F] [/C] [=C] [/F]", "[Na+1] . [Cl-1]"]
WORDS = [
    "The molecule is an antibacterial agent, isolated in 1987.", "It's a conjugate base; they're 12.5 mg, we've 3,000.", "Caffeine naïve café résumé",
    "Yesterday the Ångström and the Straße met İstanbul.", "state-of-the-art e.g. (S)-2-amino-3-(1H-indol-3-yl)propanoic acid",
]


def texts():
    zwj = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
    found = [
        "", " ", "  ", "     ", "\t", "\n", "\r\n", " \t \n ", "a\n\n\nb", "  leading", "trailing  ", "a  b   c", "\u00a0x\u3000y\u2003z\u2028w\u0085v",
        "zero\u200bwidth\u200cjoin\u200der\ufeffbom", "caf\u00e9 cafe\u0301 \u1e9b\u0323 \ufb01 \u212b \u2460 \uff21\uff11", "a\u0305\u0300 a\u0327\u0300 e\u0300\u0301\u0323", "q\u0307\u0323 \u0061\u0315\u0300\u05ae\u0062",
        "\ud55c\uae00 \u1112\u1161\u11ab \u1100\u1161 \uac00\u11a8", "\u4e2d\u6587\u5206\u8bcd \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \U00020000\U0002f800", zwj + " ok " + zwj,
        "\U0001f1e9\U0001f1ea\U0001f3fd\u2764\ufe0f", "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u202eabc\u202c", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
        "nul\x00one\x01esc\x1bdel\x7f\x80\x9f\x1c\x1d\x1e\x1f", "\ufffd \ufffe \uffff \ue000 \U0010ffff \U000e0001", "\U0001d400\U0001d401c \U00010400\U00010428 \U0001d7d9\U0001d7da3 \U00016ee0",
        "I\u0130\u0131i \u03a3\u03c3\u03c2 \u1e9e\u00df \u01c5 \u212a\u017f", "it's IT'S they'LL we'\u017f 're've'd'm 's ' ''' don\u2019t", "3.14 1,000,000 \u0661\u0662\u0663 \u2167 \u00bd\u00b2 12345678901234567890",
        "!!!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "\u00a1\u00bf\u2014\u2026\u300c\u300d\u2e3a\u061d\u2e52 \u166d \u20ac \u00d7\u2200", "a" * 700, "ab" * 300 + " " + "\u00e9" * 150, "x" * 100, "x" * 101,
        "\u4e2d" * 120, "CC" * 1500, "=O" * 200, "[C]" * 150, "supercalifragilisticexpialidocious unaffable unknownword", "a\u0300\u0301\u0302\u0303\u0304" * 40,
        "<s>text</s>", "a <mask> b", "a<mask>b", "<new>a <new>", "  <mask>  <mask>\t<mask>", "<pad><unk><s>", "<S> <Mask>", "[CLS] x [SEP]", "[UNK][MASK]  [PAD]", "<|endoftext|> x<|endoftext|>",
        "<lr> a <lr>b<lr>  <lr>\n", "x  <left>  y<left>", "x  <right>  y<right>", "<word> a<word> <word>b \u0300<word> _<word> (<word>) <word>", "I met yesterday, YESTERDAY and Yesterdays", "<Norm\u00c9> <norm\u00e9> <norme\u0301>",
        "<l>\u3000<l>\u00a0", "<longer> <long> <longerest>", "\u2581a \u2581 b", "  [C] [=O]", "[C][=O]", "[C]  [Nop] [=Branch1]",
    ]
    found += SMILES + SELFIES + WORDS
    rnd = random.Random(20250101)
    blocks = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x97F), (0xE00, 0x11FF), (0x1E00, 0x22FF), (0x2E80, 0x33FF), (0xA640, 0xABFF),
              (0xAC00, 0xAC80), (0xF900, 0xFFFF), (0x10000, 0x12FFF), (0x16A00, 0x16FFF), (0x1D100, 0x1D7FF), (0x1E000, 0x1FBFF), (0, 0x10FFFF)]
    for _ in range(60):
        chosen = [rnd.choice(blocks) for _ in range(rnd.randint(1, 4))]
        points = (rnd.randint(*rnd.choice(chosen)) for _ in range(rnd.randint(1, 40)))
        found.append("".join(" " if rnd.random() < 0.12 else chr(c) for c in points if not 0xD800 <= c < 0xE000))
    return found


def write_lines(path, objects):
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        for item in objects:
            packed.write((json.dumps(item) + "\n").encode())


def record(tokenizer):
    """Encodings by a tokenizers.Tokenizer: whole, and cut."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for text in texts():
        encoding = tokenizer.encode(text)
        # With a normalizer, id_to_token shows added tokens normalized.
        tokens = {} if tokenizer.normalizer else {"tokens": [tokenizer.id_to_token(i) for i in encoding.ids]}
        yield {"text": text, "ids": encoding.ids, **tokens}
    special = tokenizer.num_special_tokens_to_add(False)
    for limit in (special, special + 1, 7, 16):
        if limit > special or special > 0:
            tokenizer.enable_truncation(limit)
            for text in WORDS + SELFIES + ["", "a" * 700]:
                yield {"text": text, "max_length": limit, "ids": tokenizer.encode(text).ids}
    tokenizer.no_truncation()


def save(folder, name, tokenizer, files=None):
    case = os.path.join(folder, name)
    shutil.rmtree(case, ignore_errors=True)
    os.makedirs(case)
    tokenizer.save(os.path.join(case, "tokenizer.json"), pretty=False)
    for file, content in (files or {}).items():
        with open(os.path.join(case, file), "w", encoding="utf-8") as out:
            out.write(content if isinstance(content, str) else json.dumps(content, indent=1) + "\n")
    write_lines(os.path.join(case, "golden.jsonl.gz"), record(tokenizer))


def added():
    return [
        AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False), AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<word>", single_word=True, normalized=False), AddedToken("Yesterday", single_word=True, normalized=True), AddedToken("<Norm\u00c9>", normalized=True),
        AddedToken("<l>", lstrip=True, rstrip=True, normalized=True), AddedToken("<long>", normalized=False), AddedToken("<longer>", normalized=True),
    ]


def template(before, after, ids):
    tokens = [token for token in (before, after) if token]
    return processors.TemplateProcessing(single=" ".join([before or "", "$A", after or ""]).strip(), pair="$A $B", special_tokens=[(token, ids[token]) for token in tokens])


def word_level(folder):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    symbols = sorted({symbol for line in SELFIES for symbol in line.split(" ")} | {"[Ring2]", "[#N]", "[Nop]"})
    vocab = {token: i for i, token in enumerate(special + symbols)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = template("<s>", "</s>", vocab)
    tokenizer.add_special_tokens([AddedToken(token, lstrip=token == "<mask>", normalized=False, special=True) for token in special])
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(pad_id=1, pad_token="<pad>", length=9)
    save(folder, "wordlevel-selfies", tokenizer, {
        "config.json": {"model_type": "bart"},
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 128, "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"},
    })

    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "[MASK]": 4}
    normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    pre = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])
    for text in texts():
        for word, _ in pre.pre_tokenize_str(normalizer.normalize_str(text)):
            if len(words) < 400 and len(word) < 12:
                words.setdefault(word, len(words))
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre
    tokenizer.post_processor = template("[CLS]", "[SEP]", words)
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"])
    tokenizer.add_tokens(added())
    save(folder, "wordlevel-words", tokenizer)


def word_piece(folder):
    normalizer, pre = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, pre, decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # Not trained: WordPieceTrainer gives other pieces each time.
    special, pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], set()
    for text in texts()[:60] + WORDS:
        for word, _ in pre.pre_tokenize_str(normalizer.normalize_str(text)) + (pre.pre_tokenize_str(text) if text in WORDS else []):
            if len(word) < 20:
                pieces |= {word[0], *(f"##{character}" for character in word[1:])}
                pieces |= {word, word[:3], f"##{word[3:5]}", f"##{word[-4:]}"} - {"##"} if text in WORDS else set()
    ordered = special + sorted(pieces - set(special))
    vocab = {token: i for i, token in enumerate(ordered)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, pre, decoders.WordPiece()
    tokenizer.post_processor = template("[CLS]", "[SEP]", vocab)
    tokenizer.add_tokens(added())
    save(folder, "wordpiece", tokenizer)
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    tokenizer.model = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=5, continuing_subword_prefix="##")
    save(folder, "wordpiece-cased", tokenizer)
    lines = "".join(token + "\n" for token in ordered)
    for name, config in {
        "bert-vocab-txt": {"tokenizer_class": "BertTokenizer", "model_max_length": 512},
        "bert-vocab-txt-cased": {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "tokenize_chinese_chars": False, "additional_special_tokens": ["<word>"]},
    }.items():
        from_files(folder, name, {"vocab.txt": lines, "tokenizer_config.json": config, "config.json": {"model_type": "bert"}})


def byte_pairs(folder):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    corpus = SMILES * 3 + SELFIES * 3 + WORDS * 3 + texts()[:60]

    def trained(pre, special, **options):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoders.ByteLevel()
        tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
        state = json.loads(tokenizer.to_str())["model"]
        merges = [tuple(merge) for merge in state["merges"]]
        tokenizer.model = models.BPE(state["vocab"], merges, **options)
        return tokenizer, state["vocab"], merges

    tokenizer, vocab, merges = trained(pre_tokenizers.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.add_tokens(added())
    save(folder, "bpe-roberta", tokenizer, {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "model_max_length": 1e30}})

    tokenizer, _, _ = trained(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), ["<|endoftext|>", "<|im_start|>"])
    save(folder, "bpe-smollm", tokenizer, {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 8192, "bos_token": "<|endoftext|>", "pad_token": "<|im_start|>"}})

    llama = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer, ids, _ = trained(
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(llama), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        ["<|begin_of_text|>", "<|end_of_text|>"], ignore_merges=True)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin_of_text|>", None, ids)])
    save(folder, "bpe-llama3", tokenizer, {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "clean_up_tokenization_spaces": True}})

    # SentencePiece's way: characters, then bytes, then unknown; no pre-tokenizer.
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(128)] + sorted({c for line in SMILES + WORDS for c in line.replace(" ", "\u2581")} | {"\u2581"})
    pairs, known = [], set(pieces)
    for line in SMILES + WORDS:
        for a, b in zip(line, line[1:]):
            a, b = a.replace(" ", "\u2581"), b.replace(" ", "\u2581")
            if a + b not in known and len(pairs) < 200:
                pairs.append((a, b))
                known.add(a + b)
                pieces.append(a + b)
    for name, options in {"bpe-characters": {"byte_fallback": True, "fuse_unk": True}, "bpe-characters-unfused": {"fuse_unk": False}}.items():
        ids = {token: i for i, token in enumerate(pieces)}
        tokenizer = Tokenizer(models.BPE(ids, pairs, unk_token="<unk>", **options))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        tokenizer.post_processor = template("<s>", None, ids)
        tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
        save(folder, name, tokenizer)

    files = {"vocab.json": json.dumps(vocab), "merges.txt": "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)}
    from_files(folder, "gpt2-begin", {**files, "config.json": {"model_type": "gpt2"}, "tokenizer_config.json": {"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}})
    # RobertaTokenizer of transformers 5.12 does not start with tokenizers 0.23 (RobertaProcessing has other argument
    # names there), so its parts are put together here as it does; <mask> is as in special_tokens_map.json.
    tokenizer = Tokenizer(models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ["<s>", "</s>", "<unk>", "<pad>"]])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True), AddedToken("<word>", special=True), AddedToken("<new>", special=True)])
    save(folder, "roberta-prefix", tokenizer, {
        **files, "config.json": {"model_type": "roberta"}, "tokenizer_config.json": {"add_prefix_space": True, "max_len": 512},
        "special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}, "additional_special_tokens": ["<word>", "<new>"]},
    })
    os.remove(os.path.join(folder, "roberta-prefix", "tokenizer.json"))


def from_files(folder, name, files):
    """A folder without tokenizer.json, as transformers reads it."""
    from transformers import AutoTokenizer

    case = os.path.join(folder, name)
    shutil.rmtree(case, ignore_errors=True)
    os.makedirs(case)
    for file, content in files.items():
        with open(os.path.join(case, file), "w", encoding="utf-8", newline="\n") as out:
            out.write(content if isinstance(content, str) else json.dumps(content, indent=1) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(case)
    found = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in texts()]
    found += [{"text": text, "max_length": 7, "ids": tokenizer(text, truncation=True, max_length=7)["input_ids"]} for text in WORDS + ["", "a" * 700]]
    for item in found:
        item["tokens"] = tokenizer.convert_ids_to_tokens(item["ids"])
    write_lines(os.path.join(case, "golden.jsonl.gz"), found)


def components(folder):
    n, p = normalizers, pre_tokenizers
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    expressions = [
        r"\[[^\]]+]", r"\s+", r"(\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>|\*|\$|\%[0-9]{2}|[0-9])", r"\p{Lu}\p{Ll}*+|\d{2,}|[^\S\r\n]++$", r"(?<=\p{L})(?=\p{N})|x*",
        r"[^\p{L}\p{M}]+?(?!\p{P})|\p{So}\p{Cf}?", r"(?i:k|sta)(?>e?)|^\s|.$", r"[\x{4E00}-\x{9FFF}]|[\x41-\x5a]\u00e9?", r"C++C|\d?+1|[a-c]*+b",
    ]
    found = [n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Strip(), n.Strip(left=False), n.Prepend("\u2581"), n.Replace("a", "bb"), n.Replace(Regex(r"\s{2,}"), " "), n.BertNormalizer(),
             n.BertNormalizer(strip_accents=False), n.BertNormalizer(lowercase=False), n.Sequence([n.NFD(), n.StripAccents(), n.NFC()])]
    found += [p.Whitespace(), p.WhitespaceSplit(), p.BertPreTokenizer(), p.Digits(), p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False), p.ByteLevel(), p.ByteLevel(use_regex=False)]
    found += [p.Punctuation(behavior=b) for b in behaviors] + [p.Split("C", b) for b in behaviors] + [p.Split("[C]", "isolated", invert=True)]
    found += [p.Split(Regex(e), b, invert=i) for e in expressions for b, i in (("isolated", False), ("removed", False), ("removed", True))]
    found += [p.Split(Regex(expressions[2]), b, invert=True) for b in behaviors]

    def results():
        for component in found:
            section = json.loads(component.__getstate__())
            is_normalizer = isinstance(component, n.Normalizer)
            out = [component.normalize_str(text) if is_normalizer else [word for word, _ in component.pre_tokenize_str(text)] for text in short]
            yield {"kind": "normalizer" if is_normalizer else "pre_tokenizer", "section": section, "results": out}

    short = [text for text in texts() if text and len(text) < 250]
    write_lines(os.path.join(folder, "components.jsonl.gz"), [{"texts": short}, *results()])


def main(folder):
    os.makedirs(folder, exist_ok=True)
    components(folder)
    word_level(folder)
    word_piece(folder)
    byte_pairs(folder)


if __name__ == "__main__":
    main(sys.argv[1])
