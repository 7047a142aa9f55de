using System.Text.Json;
using LlmFusion.Evaluation;
using Xunit;

namespace LlmFusion.Tests.Evaluation;

public class ReportTests
{
    private static readonly TargetMetrics Some = new(2, 0.5, 1, 1, 0.75);

    [Fact]
    public void The_report_has_the_documented_names_in_the_documented_order()
    {
        string json = new EvaluationReport(3, 1, new Dictionary<string, TargetMetrics> { ["logp"] = Some }).ToJson();
        Assert.Equal(
            """{"rows":3,"refused":1,"targets":{"logp":{"n":2,"mae":0.5,"rmse":1,"mse":1,"r2":0.75}}}""",
            string.Concat(json.Where(c => !char.IsWhiteSpace(c))));
    }

    [Fact]
    public void An_undefined_metric_is_null_and_comes_back_as_NaN()
    {
        string json = new EvaluationReport(1, 1, new Dictionary<string, TargetMetrics> { ["logp"] = TargetMetrics.None }).ToJson();
        Assert.Contains("\"mae\": null", json, StringComparison.Ordinal);
        Assert.Equal(TargetMetrics.None, JsonSerializer.Deserialize<EvaluationReport>(json)!.Targets["logp"]);
    }

    [Fact]
    public void A_comparison_measures_each_predictor_and_survives_JSON()
    {
        float[][] truth = [[1, 5], [3, float.NaN]];
        Comparison comparison = Comparison.Empty
            .With("test", Comparison.Model, ["a", "b"], ["eV", ""], truth, [[1, 5], [2, 0]])
            .With("test", Comparison.Constant, ["a", "b"], ["eV", ""], truth, [[2, 4], [2, 4]]);
        Assert.Equal(4, comparison.Rows.Count);
        Assert.Equal(0.5, comparison.Find("test", "a", Comparison.Model)!.Mae);
        Assert.Equal(1, comparison.Find("test", "b", Comparison.Constant)!.N);
        Assert.Null(comparison.Find("valid", "a", Comparison.Model));
        Comparison back = JsonSerializer.Deserialize<Comparison>(comparison.ToJson())!;
        Assert.Equal(comparison.Rows, back.Rows);
        Assert.Throws<ArgumentException>(() => Comparison.Empty.With("test", "x", ["a"], [], truth, truth));
    }
}
