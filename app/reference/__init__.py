"""The API's reference: what each `/v1` route takes and answers, as an OpenAPI document and as a page."""
