from kedro.pipeline import Pipeline


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline([])
