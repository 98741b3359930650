"""Stage 1: from problem sources to clean train and evaluation prompts."""

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.data_preparation import nodes

CONFIG = "params:data_preparation"


def create_pipeline(**_: object) -> Pipeline:
    """Return the stage; it loads the policy's tokenizer, but no weights."""
    return Pipeline(
        [
            Node(
                nodes.load_problems,
                inputs=[CONFIG, "params:seed", "problem_files"],
                outputs="raw_problems",
                name="load_problems",
            ),
            Node(
                nodes.load_tokenizer,
                inputs="params:policy_initialisation",
                outputs="tokenizer",
                name="load_tokenizer",
            ),
            Node(
                nodes.clean_problems,
                inputs=["raw_problems", CONFIG, "params:rewards"],
                outputs=["clean_problems", "dropped_by_cleaning"],
                name="clean_problems",
            ),
            Node(
                nodes.drop_eval_overlaps,
                inputs=["clean_problems", CONFIG],
                outputs=["uncontaminated_problems", "decontaminated_problems"],
                name="drop_eval_overlaps",
            ),
            Node(
                nodes.render_prompts,
                inputs=["uncontaminated_problems", "tokenizer", CONFIG],
                outputs=["rendered_problems", "dropped_by_length"],
                name="render_prompts",
            ),
            Node(
                nodes.select_problems,
                inputs=["rendered_problems", CONFIG, "params:training", "params:seed"],
                outputs=["train_problems", "eval_problems", "dropped_by_limit"],
                name="select_problems",
            ),
            Node(
                nodes.report_data,
                inputs=[
                    "raw_problems",
                    "train_problems",
                    "eval_problems",
                    "decontaminated_problems",
                    "dropped_by_cleaning",
                    "dropped_by_length",
                    "dropped_by_limit",
                    CONFIG,
                ],
                outputs="data_report",
                name="report_data",
            ),
        ],
        namespace="data_preparation",
        prefix_datasets_with_namespace=False,
        tags="data_preparation",
    )
