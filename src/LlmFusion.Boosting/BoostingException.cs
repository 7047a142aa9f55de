namespace LlmFusion.Boosting;

/// <summary>XGBoost refused something; the message holds its own reason.</summary>
public sealed class BoostingException(string message) : Exception(message);
