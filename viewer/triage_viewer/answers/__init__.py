"""What the API answers: one module per kind of thing.

A field that the annotator has too is called what it is called there (`organisation_name`, `processing_stage`); one that
it has not is called what this project calls it (`organization_key`).
"""
