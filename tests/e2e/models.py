"""Tiny models with random weights, byte by byte: what the hub of `internet.py` has to offer.

They have the real ones' architectures, file formats and tokenizers' kind, so vLLM loads them as it loads any
other; what they say makes no sense.
"""

import json
import math
import random
import struct
from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

SPECIAL = ("<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>", "<|system|>")
CHAT_TEMPLATE = (
    "<s>{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
HIDDEN, INNER, LAYERS, HEADS = 64, 128, 2, 2
VECTOR = 384
"""Dimensions of an embedding, as in all-MiniLM-L6-v2."""
LONGEST_TEXT = 8192
"""Tokens; examples/support.yaml declares as many."""


def chat_model() -> dict[str, bytes]:
    """File name → content of a Llama of 140,000 parameters."""
    vocabulary = _vocabulary()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "torch_dtype": "bfloat16",
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HIDDEN // HEADS,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "max_position_embeddings": LONGEST_TEXT,
        "tie_word_embeddings": False,
        **_special_ids(),
    }
    return {
        "config.json": _json(config),
        "generation_config.json": _json(_special_ids()),
        "model.safetensors": _safetensors(_llama_shapes(len(vocabulary))),
        **_tokenizer(vocabulary, {"chat_template": CHAT_TEMPLATE}),
    }


def embedding_model() -> dict[str, bytes]:
    """File name → content of a BERT that answers with vectors."""
    vocabulary = _vocabulary()
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "torch_dtype": "float32",
        "vocab_size": len(vocabulary),
        "hidden_size": VECTOR,
        "intermediate_size": INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": VECTOR // 32,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "position_embedding_type": "absolute",
        "pad_token_id": SPECIAL.index("<pad>"),
    }
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    pooling = {"word_embedding_dimension": VECTOR, "pooling_mode_mean_tokens": True}
    return {
        "config.json": _json(config),
        "modules.json": _json(modules),
        "1_Pooling/config.json": _json(pooling),
        "sentence_bert_config.json": _json({"max_seq_length": 256, "do_lower_case": False}),
        "model.safetensors": _safetensors(_bert_shapes(len(vocabulary))),
        **_tokenizer(vocabulary, {}),
    }


def _llama_shapes(vocabulary: int) -> Shapes:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (vocabulary, HIDDEN),
    }
    for number in range(LAYERS):
        layer = f"model.layers.{number}"
        shapes |= {f"{layer}.self_attn.{part}_proj.weight": (HIDDEN, HIDDEN) for part in "qkvo"}
        shapes |= {f"{layer}.mlp.{part}_proj.weight": (INNER, HIDDEN) for part in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj.weight"] = (HIDDEN, INNER)
        norms = ("input_layernorm", "post_attention_layernorm")
        shapes |= {f"{layer}.{norm}.weight": (HIDDEN,) for norm in norms}
    return shapes


def _bert_shapes(vocabulary: int) -> Shapes:
    layer = "encoder.layer.0"
    dense = {
        **{f"{layer}.attention.self.{part}": (VECTOR, VECTOR) for part in ("query", "key", "value")},
        f"{layer}.attention.output.dense": (VECTOR, VECTOR),
        f"{layer}.intermediate.dense": (INNER, VECTOR),
        f"{layer}.output.dense": (VECTOR, INNER),
        "pooler.dense": (VECTOR, VECTOR),
    }
    norms = ("embeddings", f"{layer}.attention.output", f"{layer}.output")
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, VECTOR),
        "embeddings.position_embeddings.weight": (512, VECTOR),
        "embeddings.token_type_embeddings.weight": (2, VECTOR),
    }
    shapes |= {f"{name}.weight": shape for name, shape in dense.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in dense.items()}
    shapes |= {f"{norm}.LayerNorm.{part}": (VECTOR,) for norm in norms for part in ("weight", "bias")}
    return shapes


def _safetensors(shapes: Shapes) -> bytes:
    """The format of github.com/huggingface/safetensors: the header's length, the header, the data."""
    header, blocks, offset = {}, [], 0
    generator = random.Random(0)  # noqa: S311 - weights, not secrets
    for name, shape in shapes.items():
        block = _bfloat16(math.prod(shape), generator, is_norm="norm" in name.lower())
        end = offset + len(block)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        blocks.append(block)
        offset = end
    text = _json(header)
    return b"".join([struct.pack("<Q", len(text)), text, *blocks])


def _bfloat16(count: int, generator: random.Random, is_norm: bool) -> bytes:
    """The upper half of as many floats: ones for a norm, small random ones else."""
    if is_norm:
        return struct.pack("<f", 1.0)[2:] * count
    return b"".join(struct.pack("<f", generator.gauss(0, 0.05))[2:] for _ in range(count))


def _vocabulary() -> dict[str, int]:
    """The special tokens, and one for each byte under the sign that GPT-2's byte-level encoding gives it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    signs = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    return {token: number for number, token in enumerate([*SPECIAL, *sorted(signs)])}


def _tokenizer(vocabulary: Mapping[str, int], settings: Mapping[str, Any]) -> dict[str, bytes]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": text, **flags} for number, text in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "model_max_length": LONGEST_TEXT,
        **settings,
    }
    return {"tokenizer.json": _json(tokenizer), "tokenizer_config.json": _json(described)}


def _special_ids() -> dict[str, int]:
    return {
        f"{name}_token_id": SPECIAL.index(text)
        for name, text in (("bos", "<s>"), ("eos", "</s>"), ("pad", "<pad>"))
    }


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
