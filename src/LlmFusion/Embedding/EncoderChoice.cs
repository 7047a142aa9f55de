using System.Globalization;
using LlmFusion.Transformers;

namespace LlmFusion.Embedding;

/// <summary>A pretrained encoder as the user asks for it.</summary>
public sealed record EncoderChoice
{
    /// <summary>A preset (<c>chemberta</c>), a repository id of the model hub, or a local folder.</summary>
    public required string Model { get; init; }

    /// <summary>Branch, tag or commit; null: main.</summary>
    public string? Revision { get; init; }

    /// <summary>How a sequence becomes one vector; null: as the preset says, else RoBERTa its class token and all others the mean.</summary>
    public PoolingKind? Pooling { get; init; }

    /// <summary>Longest sequence in tokens; null: as the preset, the tokenizer and the position table allow.</summary>
    public int? MaximumTokens { get; init; }

    /// <summary>Whether it is trained along with the fusion model, instead of frozen.</summary>
    public bool Train { get; init; }

    /// <summary>What <see cref="Parse"/> reads as the same.</summary>
    public override string ToString() => Model + (Revision is null ? "" : $"@{Revision}")
        + Pooling switch { PoolingKind.ClassToken => ",pooling=class", PoolingKind.Mean => ",pooling=mean", _ => "" }
        + (MaximumTokens is { } tokens ? string.Create(CultureInfo.InvariantCulture, $",max-tokens={tokens}") : "")
        + (Train ? ",train" : "");

    /// <summary>Reads <c>MODEL[@REVISION][,pooling=class|mean][,max-tokens=N][,train]</c>.</summary>
    /// <exception cref="ArgumentException">It is of another form.</exception>
    public static EncoderChoice Parse(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        // A path is a folder's, which has no revisions, and may hold an @.
        int at = parts[0].StartsWith('/') || parts[0].StartsWith('.') || parts[0].StartsWith('~') ? -1 : parts[0].LastIndexOf('@');
        EncoderChoice choice = new() { Model = at >= 0 ? parts[0][..at] : parts[0], Revision = at >= 0 ? parts[0][(at + 1)..] : null };
        if (choice.Model.Length == 0 || choice.Revision?.Length == 0) throw new ArgumentException($"encoder: got '{text}', expected MODEL[@REVISION][,pooling=class|mean][,max-tokens=N][,train]");
        foreach (string part in parts.Skip(1))
        {
            choice = part.Split('=', 2) switch
            {
                ["pooling", "class"] => choice with { Pooling = PoolingKind.ClassToken },
                ["pooling", "mean"] => choice with { Pooling = PoolingKind.Mean },
                ["max-tokens", var n] when int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out int tokens) && tokens >= 3 => choice with { MaximumTokens = tokens },
                ["train"] => choice with { Train = true },
                _ => throw new ArgumentException($"encoder: got '{part}' in '{text}', expected pooling=class, pooling=mean, max-tokens=N with N from 3, or train"),
            };
        }

        return choice;
    }
}
