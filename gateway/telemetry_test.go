package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

func TestMetricsTellWhatHappened(t *testing.T) {
	w := newWorld(t)
	text(t, w.do("POST", "/v1/chat/completions", chatBody))
	w.service.serve = func(_ context.Context, call *model.Call, _ cartrita.Writer) (*model.Record, error) {
		rec := testRecord(call)
		rec.Error, rec.Cost.Unpriced, rec.Attempts = &model.Failure{Kind: model.KindTimeout}, true, nil
		return rec, model.Errorf("x", model.KindTimeout, "too late")
	}
	text(t, w.do("POST", "/v1/chat/completions", chatBody))
	text(t, w.do("POST", "/v1/chat/completions", chatBody, "Host", "evil.com"))
	text(t, w.do("GET", "/nothing", ""))
	got := text(t, w.do("GET", "/metrics", ""))
	const who = `cartrita_endpoint="openai/gpt-4o",gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_response_model="openai/gpt-4o"`
	for _, want := range []string{
		`cartrita_http_requests_total{route="/v1/chat/completions",status="200"} 1`,
		`cartrita_http_requests_total{route="/v1/chat/completions",status="504"} 1`,
		`cartrita_http_requests_total{route="/v1/chat/completions",status="403"} 1`,
		`cartrita_http_requests_total{route="other",status="404"} 1`,
		`cartrita_refused_requests_total{reason="host"} 1`,
		`cartrita_attempts_total{cartrita_endpoint="anthropic/claude",outcome="upstream_error"} 1`,
		`cartrita_attempts_total{cartrita_endpoint="openai/gpt-4o",outcome="ok"} 1`,
		`cartrita_cost_usd_total{` + who + `} 2.5e-05`,
		`cartrita_unpriced_calls_total{` + who + `} 1`,
		`gen_ai_server_request_duration_seconds_count{cartrita_endpoint="openai/gpt-4o",error_type="",gen_ai_operation_name="chat"`,
		`gen_ai_server_request_duration_seconds_count{cartrita_endpoint="openai/gpt-4o",error_type="timeout"`,
		`gen_ai_client_token_usage_sum{` + who + `,gen_ai_token_type="input"} 20`,
		`gen_ai_server_time_to_first_token_seconds_count{` + who + `} 2`,
		`cartrita_calls_in_flight 0`, `cartrita_request_body_bytes 0`, `cartrita_build_info{revision="",version="1.2.3"} 1`,
		`cartrita_endpoint_in_flight{cartrita_endpoint="openai/gpt-4o"} 3`, `go_goroutines`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestSpansFollowTheCall(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	w := newWorld(t, func(c *Config) { c.Tracer = provider.Tracer("test") })
	w.service.serve = func(ctx context.Context, call *model.Call, out cartrita.Writer) (*model.Record, error) {
		if !trace.SpanFromContext(ctx).SpanContext().IsValid() {
			t.Error("the service sees no span")
		}
		return serveUnary(ctx, call, out)
	}
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	text(t, w.do("POST", "/v1/chat/completions", withMembers(`"max_tokens":9,`), "Traceparent", "00-"+parent+"-00f067aa0ba902b7-01", "X-Cartrita-Session", "s1"))
	ended := spans.Ended()
	names := make([]string, len(ended))
	for i, s := range ended {
		names[i] = s.Name()
	}
	if want := []string{"attempt anthropic/claude", "attempt openai/gpt-4o", "chat auto"}; !slices.Equal(names, want) {
		t.Fatalf("spans %q, want %q", names, want)
	}
	call := ended[2]
	attrs := map[string]string{}
	for _, a := range call.Attributes() {
		attrs[string(a.Key)] = a.Value.String()
	}
	for key, want := range map[string]string{
		"gen_ai.operation.name": "chat", "gen_ai.request.model": "auto", "gen_ai.response.model": "openai/gpt-4o",
		"gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": "10", "gen_ai.usage.output_tokens": "5",
		"gen_ai.request.max_tokens": "9", "gen_ai.conversation.id": "s1", "cartrita.endpoint": "openai/gpt-4o",
	} {
		if attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, attrs[key], want)
		}
	}
	if got := call.SpanContext().TraceID().String(); got != parent || call.SpanKind() != trace.SpanKindServer {
		t.Errorf("trace %s, kind %s", got, call.SpanKind())
	}
	if first := ended[0]; first.Status().Code != codes.Error || first.Status().Description != "upstream_error" || first.Parent().SpanID() != call.SpanContext().SpanID() {
		t.Errorf("attempt %+v", first.Status())
	}
	if d := ended[1].EndTime().Sub(ended[1].StartTime()); d != 12*time.Millisecond {
		t.Errorf("the attempt took %v", d)
	}
}

func TestSpanOfACallThatNeverRan(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	w := newWorld(t, func(c *Config) {
		c.Tracer, c.Limits.MaxConcurrent, c.Limits.MaxQueue = provider.Tracer("test"), 1, -1
	})
	if err := w.gate.Enter(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	text(t, w.do("POST", "/v1/chat/completions", chatBody))
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Status().Description != "rate_limit_exceeded" {
		t.Errorf("spans %v", ended)
	}
}
