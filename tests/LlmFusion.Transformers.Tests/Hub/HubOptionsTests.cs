using LlmFusion.Transformers.Hub;
using Xunit;

namespace LlmFusion.Transformers.Tests.Hub;

public sealed class HubOptionsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static HubOptions From(params (string Name, string Value)[] variables) =>
        HubOptions.From(name => variables.FirstOrDefault(variable => variable.Name == name).Value, "/home/ann");

    [Fact]
    public void Without_variables_it_is_Hugging_Faces_default()
    {
        HubOptions options = From();
        Assert.Equal(("/home/ann/.cache/huggingface/hub", "https://huggingface.co", null, false), (options.Cache, options.Endpoint, options.Token, options.Offline));
    }

    [Theory]
    [InlineData("XDG_CACHE_HOME", "/x", "/x/huggingface/hub")]
    [InlineData("HF_HOME", "/h", "/h/hub")]
    [InlineData("HF_HOME", "~/h", "/home/ann/h/hub")]
    [InlineData("HUGGINGFACE_HUB_CACHE", "/old", "/old")]
    [InlineData("HF_HUB_CACHE", "/new", "/new")]
    [InlineData("HF_HUB_CACHE", "", "/home/ann/.cache/huggingface/hub")]
    public void Each_variable_of_the_cache_counts(string name, string value, string expected) => Assert.Equal(expected, From((name, value)).Cache);

    [Fact]
    public void The_nearer_variable_wins()
    {
        (string, string)[] all = [("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")];
        Assert.Equal(["/x/huggingface/hub", "/h/hub", "/old", "/new"], Enumerable.Range(1, 4).Select(count => From(all[..count]).Cache));
    }

    [Theory]
    [InlineData("1", true)]
    [InlineData("true", true)]
    [InlineData("Yes", true)]
    [InlineData("ON", true)]
    [InlineData("0", false)]
    [InlineData("false", false)]
    [InlineData("", false)]
    public void Offline_is_said_as_there(string value, bool expected)
    {
        Assert.Equal(expected, From(("HF_HUB_OFFLINE", value)).Offline);
        Assert.Equal(expected, From(("TRANSFORMERS_OFFLINE", value)).Offline);
    }

    [Fact]
    public void The_token_comes_from_the_variable_or_the_file()
    {
        File.WriteAllText(folder["token"], " hf_file\n");
        File.WriteAllText(folder["other"], "hf_other");
        Assert.Equal("hf_file", From(("HF_HOME", folder.Path)).Token);
        Assert.Equal("hf_other", From(("HF_HOME", folder.Path), ("HF_TOKEN_PATH", folder["other"])).Token);
        Assert.Equal("hf_variable", From(("HF_HOME", folder.Path), ("HF_TOKEN", "hf_variable ")).Token);
        Assert.Null(From(("HF_TOKEN", "hf_variable"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).Token);
        Assert.Null(From(("HF_HOME", folder["nowhere"])).Token);
        HubException error = Assert.Throws<HubException>(() => From(("HF_TOKEN", "hf_a\r\nX-Evil: 1")));
        Assert.DoesNotContain("Evil", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_endpoint_is_an_http_address()
    {
        Assert.Equal("https://mirror.example/hf", From(("HF_ENDPOINT", "https://mirror.example/hf/")).Endpoint);
        foreach (string bad in new[] { "mirror.example", "file:///etc", "ftp://a", "https://a/?x=1" })
            Assert.Contains("HF_ENDPOINT: got", Assert.Throws<HubException>(() => From(("HF_ENDPOINT", bad))).Message, StringComparison.Ordinal);
    }
}
