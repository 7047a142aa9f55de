using Xunit;

namespace LlmFusion.Cli.Tests.Commands;

public sealed class ModelsTokenizeCommandTests : IDisposable
{
    private const string WordLevel = """
        {"version":"1.0","added_tokens":[{"id":0,"content":"<s>","special":true}],"pre_tokenizer":{"type":"WhitespaceSplit"},
         "post_processor":{"type":"BertProcessing","cls":["<s>",0],"sep":["<s>",0]},
         "model":{"type":"WordLevel","unk_token":"?","vocab":{"<s>":0,"?":1,"[C]":2,"[=O]":3,"é":4}}}
        """;

    private readonly CommandLine cli = new();
    private readonly string folder;

    public ModelsTokenizeCommandTests()
    {
        folder = Path.GetDirectoryName(cli.Write("tokenizer.json", WordLevel))!;
    }

    public void Dispose() => cli.Dispose();

    [Fact]
    public async Task Each_text_is_a_line_of_JSON()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("models", "tokenize", folder, "[C] [=O]", "é <s>", ""));
        Assert.Equal(
            """
            {"ids":[0,2,3,0],"tokens":["<s>","[C]","[=O]","<s>"]}
            {"ids":[0,4,0,0],"tokens":["<s>","é","<s>","<s>"]}
            {"ids":[0,0],"tokens":["<s>","<s>"]}

            """,
            cli.Output);
        Assert.Empty(cli.Error);
    }

    [Fact]
    public async Task Texts_come_from_the_lines_of_a_file()
    {
        string file = cli.Write("texts.txt", "[C]", "", "x y");
        Assert.Equal(ExitCode.Done, await cli.Run("models", "tokenize", folder, "--file", file));
        Assert.Equal(["[0,2,0]", "[0,0]", "[0,1,1,0]"], cli.Output.TrimEnd().Split('\n').Select(line => line[7..(line.IndexOf(']', StringComparison.Ordinal) + 1)]));
    }

    [Fact]
    public async Task Texts_come_from_JSON_lines_and_a_bad_one_is_named()
    {
        string file = cli.Write("texts.jsonl", """{"text":"[C]","id":1}""", "", """{"text":"é"}""", """{"id":2}""");
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "tokenize", folder, "--jsonl", file));
        Assert.Contains("\"tokens\":[\"<s>\",\"é\",\"<s>\"]", cli.Output, StringComparison.Ordinal);
        Assert.Contains("""texts.jsonl line 4: expected a JSON object with a text field, got {"id":2}""", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Texts_that_are_cut_are_counted_on_stderr()
    {
        Assert.Equal(ExitCode.Done, await cli.Run("models", "tokenize", folder, "[C] [C] [C] [C]", "[C]", "--max-length", "4"));
        Assert.Equal(
            """
            {"ids":[0,2,2,0],"tokens":["<s>","[C]","[C]","<s>"],"dropped":2}
            {"ids":[0,2,0],"tokens":["<s>","[C]","<s>"],"dropped":0}

            """,
            cli.Output);
        Assert.Equal("1 of 2 texts were cut at 4 tokens, 2 tokens were dropped\n", cli.Error);
    }

    [Theory]
    [InlineData("give one of TEXT, --file and --jsonl")]
    [InlineData("give one of TEXT, --file and --jsonl", "x", "--file", "y")]
    [InlineData("--max-length: got 1, expected at least the 2 special tokens of the model", "x", "--max-length", "1")]
    [InlineData("--max-length: got x, expected a whole number from 1 on", "x", "--max-length", "x")]
    public async Task Wrong_use_is_explained(string expected, params string[] args)
    {
        Assert.Equal(ExitCode.WrongUse, await cli.Run(["models", "tokenize", folder, .. args]));
        Assert.Contains(expected, cli.Error, StringComparison.Ordinal);
        Assert.Contains("See: ./llmfusion models tokenize --help", cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_without_a_tokenizer_is_an_error_without_a_stack_trace()
    {
        cli.Write("tokenizer.json", "{}");
        Assert.Equal(ExitCode.Failed, await cli.Run("models", "tokenize", folder, "x"));
        Assert.Equal($"error: {cli["tokenizer.json"]}: 'model' is missing\n", cli.Error);
    }
}
