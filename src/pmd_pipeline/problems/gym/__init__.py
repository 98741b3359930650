"""Problems of Reasoning Gym, and the families that make and score them."""
