"""Stage 2: the initial policy."""

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.policy_initialisation import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Return the stage: the policy that all algorithms start from."""
    return Pipeline(
        [
            Node(
                nodes.initialise_policy,
                inputs=[
                    "params:policy_initialisation",
                    "eval_problems",
                    "params:data_preparation",
                    "params:compute",
                    "params:seed",
                ],
                outputs="initial_policy",
                name="initialise_policy",
            ),
        ],
        tags="policy_initialisation",
    )
