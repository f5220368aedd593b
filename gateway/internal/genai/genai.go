// Package genai holds the names that the gateway's metrics and spans take from
// OpenTelemetry's semantic conventions for generative AI, in one place, so
// that a new edition of the conventions changes one file.
//
// Span attributes keep the conventions' dotted names; Prometheus has no dots,
// so metric and label names replace them by underscores and carry the unit.
package genai

import "github.com/cartrita/cartrita/model"

// Span attributes.
const (
	AttrOperation      = "gen_ai.operation.name"
	AttrProvider       = "gen_ai.provider.name"
	AttrRequestModel   = "gen_ai.request.model"
	AttrRequestMax     = "gen_ai.request.max_tokens"
	AttrRequestStream  = "gen_ai.request.stream"
	AttrResponseModel  = "gen_ai.response.model"
	AttrInputTokens    = "gen_ai.usage.input_tokens"  //nolint:gosec // tokens of text, no credentials
	AttrOutputTokens   = "gen_ai.usage.output_tokens" //nolint:gosec // tokens of text, no credentials
	AttrCacheRead      = "gen_ai.usage.cache_read.input_tokens"
	AttrCacheWrite     = "gen_ai.usage.cache_creation.input_tokens"
	AttrReasoning      = "gen_ai.usage.reasoning.output_tokens"
	AttrTimeToFirst    = "gen_ai.response.time_to_first_chunk" // seconds
	AttrConversation   = "gen_ai.conversation.id"
	AttrErrorType      = "error.type"
	AttrCallID         = "cartrita.call.id"
	AttrEndpoint       = "cartrita.endpoint"
	AttrStrategy       = "cartrita.strategy"
	AttrCostUSD        = "cartrita.cost_usd"
	AttrStep           = "cartrita.attempt.step"
	AttrUpstreamStatus = "http.response.status_code"
)

// Metrics and their labels.
const (
	MetricDuration = "gen_ai_server_request_duration_seconds"
	MetricTTFT     = "gen_ai_server_time_to_first_token_seconds"
	MetricTokens   = "gen_ai_client_token_usage" //nolint:gosec // tokens of text, no credentials

	LabelOperation = "gen_ai_operation_name"
	LabelProvider  = "gen_ai_provider_name"
	LabelModel     = "gen_ai_response_model"
	LabelTokenType = "gen_ai_token_type" //nolint:gosec // tokens of text, no credentials
	LabelErrorType = "error_type"
)

// Token types, the values of LabelTokenType.
const (
	TokenInput  = "input"
	TokenOutput = "output"
)

// DurationBuckets returns the advised bounds for whole requests, in seconds.
func DurationBuckets() []float64 {
	return []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
}

// TTFTBuckets returns the advised bounds for the time to the first token, in seconds.
func TTFTBuckets() []float64 {
	return []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// TokenBuckets returns the advised bounds for tokens of one call.
func TokenBuckets() []float64 {
	return []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304}
}

// Operation returns the conventions' name of a surface.
func Operation(s model.Surface) string {
	switch s {
	case model.SurfaceCompletions:
		return "text_completion"
	case model.SurfaceEmbeddings:
		return "embeddings"
	}
	return "chat"
}
