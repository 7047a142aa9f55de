"""Records what Python's XGBoost learns and predicts, for tests/LlmFusion.Boosting.Tests/Golden.

Run with Debian 12's python3-xgboost (1.7, the library that the program loads too):
    python3 tools/record_xgboost_golden.py tests/LlmFusion.Boosting.Tests/Golden
Then, to see that a newer XGBoost reads what Booster.Save wrote (the test Saved_models_are_read_by_python writes it where LLMFUSION_XGBOOST_OUT says):
    python3 tools/record_xgboost_golden.py --check FOLDER
"""
import json
import sys

import numpy as np
import xgboost


def record(folder):
    rng = np.random.default_rng(7)
    x = np.round(rng.normal(size=(160, 6)), 3).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) * 2 + np.where(np.nan_to_num(x[:, 1]) > 0, 1, -1) + np.nan_to_num(x[:, 2]) ** 2).astype(np.float32)
    train, valid = xgboost.DMatrix(x[:100], label=y[:100]), xgboost.DMatrix(x[100:], label=y[100:])
    cases = []
    for name, parameters, rounds, early in [
        ("plain", dict(eta=0.3, max_depth=4), 25, None),
        ("regularised", dict(eta=0.1, max_depth=6, subsample=0.7, colsample_bytree=0.6, gamma=0.02, min_child_weight=3, seed=5), 60, None),
        ("early", dict(eta=0.4, max_depth=6, subsample=0.8, seed=3), 200, 5),
        ("absolute", dict(eta=0.2, max_depth=3, objective="reg:squarederror", eval_metric=["rmse", "mae"]), 30, 4),
    ]:
        parameters = {"objective": "reg:squarederror", "tree_method": "hist", "nthread": 1, **parameters}
        log = {}
        booster = xgboost.train(parameters, train, rounds, evals=[(valid, "valid")], early_stopping_rounds=early, evals_result=log, verbose_eval=False)
        last = booster.best_iteration + 1 if early else rounds
        cases.append({
            "name": name, "parameters": parameters, "estimators": rounds, "early_stopping": early, "trees": last,
            "valid": [[float(v) for v in values] for values in log["valid"].values()],
            "predictions": booster.predict(valid, iteration_range=(0, last)).tolist(),
            "gain": [booster.get_score(importance_type="gain").get(f"f{i}", 0.0) for i in range(6)],
        })
    rows = [[None if np.isnan(v) else float(v) for v in row] for row in x]
    golden = {"xgboost": xgboost.__version__, "features": rows, "labels": y.tolist(), "train_rows": 100, "cases": cases}
    with open(f"{folder}/xgboost.json", "w") as file:
        json.dump(golden, file)
    booster.save_model(f"{folder}/absolute.json")


def check(folder):
    """Predictions of a saved model beside those that C# made of it."""
    with open(f"{folder}/rows.json") as file:
        rows = json.load(file)
    x = np.array([[np.nan if v is None else v for v in row] for row in rows["features"]], dtype=np.float32)
    for name in ("model.json", "model.ubj"):
        booster = xgboost.Booster()
        booster.load_model(f"{folder}/{name}")
        got = booster.predict(xgboost.DMatrix(x), iteration_range=(0, rows["trees"]))
        print(f"xgboost {xgboost.__version__}, {name}: largest difference {np.abs(got - np.array(rows['predictions'])).max():.2g}")


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        check(sys.argv[2])
    else:
        record(sys.argv[1])
