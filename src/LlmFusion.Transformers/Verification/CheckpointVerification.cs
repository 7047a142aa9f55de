using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers.Verification;

/// <summary>What became of a folder's recorded outputs.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="ModelType">Its config.json's model_type.</param>
/// <param name="Checks">One per recorded output.</param>
public sealed record VerificationReport(string Folder, string ModelType, IReadOnlyList<TensorCheck> Checks)
{
    /// <summary>Whether every recorded output was computed and lies within its tolerance.</summary>
    public bool Passed => Checks.Count > 0 && Checks.All(check => check.Passed);
}

/// <summary>
/// Proof that a checkpoint gives here what it gave elsewhere: loads the folder, runs each recorded case
/// (<see cref="GoldenRecord"/>), and compares. A recorded output that is not known is a failure, never left out.
/// </summary>
public static class CheckpointVerification
{
    private const string Gradient = "grad.";

    /// <summary>Verifies one folder.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged, of an unknown architecture, or does not fit.</exception>
    public static VerificationReport Run(string folder)
    {
        using DisposeScope scope = NewDisposeScope();
        JsonElement config = Architectures.ReadConfig(folder);
        string type = Architectures.ModelType(config);
        GoldenRecord golden = GoldenRecord.Read(folder);
        Architectures.RequireRoom(folder, config, tokenEmbedding: true);
        using nn.Module model = Load(folder, type, golden);
        model.eval();
        Dictionary<string, Func<Tensor>> outputs = model switch
        {
            Roberta roberta => Outputs(roberta, golden),
            Bart bart => Outputs(bart, golden),
            LanguageModel language => Outputs(language, golden),
            _ => throw new CheckpointException($"{folder}: nothing is known to verify of a {type}"),
        };
        return new VerificationReport(folder, type, [.. golden.Expected.Select(name => Check(name, golden, outputs))]);
    }

    private static TensorCheck Check(string name, GoldenRecord golden, Dictionary<string, Func<Tensor>> outputs)
    {
        // Gradients of one case come out of one backward pass, so the scope stays open over all outputs.
        try
        {
            return outputs.TryGetValue(name, out Func<Tensor>? output) ? golden.Compare(name, output()) : golden.Unknown(name);
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or CheckpointException or System.Runtime.InteropServices.ExternalException)
        {
            return golden.Unknown(name) with { Problem = $"cannot be computed: {error.Message.Split('\n')[0]}" };
        }
    }

    private static nn.Module Load(string folder, string type, GoldenRecord golden) => type switch
    {
        "gpt2" => Gpt2.Load(folder),
        "roberta" => Roberta.Load(folder, pooler: golden.Has("pooler_output"), languageHead: golden.Has("mlm_logits")),
        "bart" => Bart.Load(folder, languageHead: golden.Has("lm_logits")),
        "llama" => Llama.Load(folder, languageHead: golden.Has("lm_logits_nomask")),
        _ => Granite.Load(folder, languageHead: golden.Has("lm_logits_nomask")),
    };

    private static Dictionary<string, Func<Tensor>> Outputs(Roberta model, GoldenRecord golden)
    {
        Tensor ids = golden["input_ids"], mask = golden["attention_mask"];
        Lazy<Tensor> hidden = new(() => model.Encode(ids, mask));                        // (N, L, d)
        return new()
        {
            ["last_hidden_state"] = () => hidden.Value,
            ["cls"] = () => model.EncodeClassToken(ids, mask),
            ["embeddings"] = () => model.FirstStates(ids, mask).Embedded,
            ["hidden_states.1"] = () => model.FirstStates(ids, mask).AfterFirst,
            ["masked_mean"] = () => Pooling.MaskedMean(hidden.Value, mask),
            ["pooler_output"] = () => model.Pool(hidden.Value),
            ["mlm_logits"] = () => model.Logits(hidden.Value),
            ["row0_nomask"] = () => model.Encode(ids.narrow(0, 0, 1)),
            ["last_hidden_state_ones_mask"] = () => model.Encode(ids, golden["all_ones_mask"]),
        };
    }

    private static Dictionary<string, Func<Tensor>> Outputs(Bart model, GoldenRecord golden)
    {
        Tensor ids = golden["input_ids"], mask = golden["attention_mask"];
        Lazy<Tensor> encoded = new(() => model.Encode(ids, mask));                       // (N, L, d)
        Lazy<Tensor> decoded = new(() => model.Decode(golden["decoder_input_ids"], encoded.Value, mask)); // (N, T, d)
        Lazy<Tensor> logits = new(() => model.Logits(decoded.Value));                    // (N, T, V)
        return new()
        {
            ["encoder.last_hidden_state"] = () => encoded.Value,
            ["encoder.embeddings"] = () => model.EmbedForEncoder(ids),
            ["encoder.masked_mean"] = () => Pooling.MaskedMean(encoded.Value, mask),
            ["decoder.last_hidden_state"] = () => decoded.Value,
            ["lm_logits"] = () => logits.Value,
            ["lm_loss"] = () => nn.functional.cross_entropy(logits.Value.flatten(0, 1), golden["labels"].flatten(), ignore_index: -100),
        };
    }

    private static Dictionary<string, Func<Tensor>> Outputs(LanguageModel model, GoldenRecord golden)
    {
        Tensor ids = golden["input_ids"];
        Tensor? mask = golden.Has("attention_mask") ? golden["attention_mask"] : null;
        Lazy<Tensor> hidden = new(() => model.Encode(ids, mask));                        // (N, L, d)
        Lazy<Tensor> unmasked = new(() => model.Encode(ids));                            // (N, L, d)
        Lazy<Tensor> fused = new(() => model.Forward(null, golden["inputs_embeds"]));    // (N, M, d)
        Lazy<(Tensor Embedded, Tensor AfterFirst)> first = new(() => model.FirstStates(ids, mask));
        Dictionary<string, Func<Tensor>> outputs = new()
        {
            ["last_hidden_state"] = () => hidden.Value,
            ["masked_mean"] = () => Pooling.MaskedMean(hidden.Value, mask),
            ["hidden_states.0"] = () => first.Value.Embedded,
            ["hidden_states.1"] = () => first.Value.AfterFirst,
            ["last_hidden_state_nomask"] = () => unmasked.Value,
            ["last_hidden_state_right"] = () => model.Encode(ids, golden["attention_mask_right"]),
            // Recorded with explicit positions of GPT-2, and of the others both ways.
            ["last_hidden_state_left"] = () => model.Forward(ids, null, golden["attention_mask_left"], model is Gpt2 ? golden["position_ids_left"] : null),
            ["last_hidden_state_left_pos"] = () => model.Forward(ids, null, golden["attention_mask_left"], golden["position_ids_left"]),
            ["embeds.last_hidden_state"] = () => fused.Value,
            ["embeds.mean"] = () => Pooling.MaskedMean(fused.Value, null),
            ["embeds_minus_wpe.last_hidden_state"] = () => model.Forward(null, golden["inputs_embeds"], addPositions: false),
            ["causal.last_hidden_state"] = () => model.Encode(golden["causal.input_ids"]),
            ["lm_logits_nomask"] = () => model.Logits(unmasked.Value),
        };
        if (golden.Has("grad_case.loss"))
            AddGradients(outputs, model, golden);
        return outputs;
    }

    /// <summary>A regression over ready embeddings, as LLM-Fusion trains: prediction, loss, and the gradient of every weight.</summary>
    private static void AddGradients(Dictionary<string, Func<Tensor>> outputs, LanguageModel model, GoldenRecord golden)
    {
        Tensor embeds = golden["inputs_embeds"].clone().requires_grad_();
        Tensor weight = golden["head.weight"].clone().requires_grad_(), bias = golden["head.bias"].clone().requires_grad_();
        Lazy<(Tensor Predicted, Tensor Loss)> run = new(() =>
        {
            Tensor predicted = nn.functional.linear(Pooling.MaskedMean(model.Forward(null, embeds), null), weight, bias); // (N, T)
            Tensor loss = (predicted - golden["y"]).square().mean();
            loss.backward();
            return (predicted, loss);
        });
        outputs["grad_case.pred"] = () => run.Value.Predicted;
        outputs["grad_case.loss"] = () => run.Value.Loss;
        Dictionary<string, Tensor> leaves = model.named_parameters().ToDictionary(item => item.name, item => (Tensor)item.parameter);
        leaves["inputs_embeds"] = embeds;
        leaves["head.weight"] = weight;
        leaves["head.bias"] = bias;
        foreach ((string name, Tensor leaf) in leaves)
            outputs[Gradient + name] = () => run.Value.Loss.requires_grad && leaf.grad is { } gradient ? gradient
                : throw new InvalidOperationException("it has no gradient");
    }
}
