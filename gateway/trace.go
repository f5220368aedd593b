package gateway

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/cartrita/cartrita/gateway/internal/genai"
	"github.com/cartrita/cartrita/model"
)

// span is the span of one call; the zero span does nothing.
type span struct {
	tracer trace.Tracer
	ctx    context.Context
	otel   trace.Span
}

// startSpan begins the span of a call, as a child of the caller's own when the
// request carries a traceparent. Without a tracer it costs nothing.
func (g *Gateway) startSpan(ctx context.Context, x *exchange, call *model.Call) (context.Context, span) {
	if g.cfg.Tracer == nil {
		return ctx, span{}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(x.r.Header))
	operation := genai.Operation(call.Surface)
	attrs := []attribute.KeyValue{
		attribute.String(genai.AttrOperation, operation),
		attribute.String(genai.AttrRequestModel, call.Model),
		attribute.Bool(genai.AttrRequestStream, call.Stream),
		attribute.String(genai.AttrCallID, call.ID.String()),
	}
	if call.MaxOutput.Known {
		attrs = append(attrs, attribute.Int64(genai.AttrRequestMax, call.MaxOutput.N))
	}
	if id := call.Criteria.Context.SessionID; id != "" {
		attrs = append(attrs, attribute.String(genai.AttrConversation, id))
	}
	ctx, otel := g.cfg.Tracer.Start(ctx, operation+" "+call.Model, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(call.Received), trace.WithAttributes(attrs...))
	return ctx, span{g.cfg.Tracer, ctx, otel}
}

func (s span) end() {
	if s.otel != nil {
		s.otel.End()
	}
}

// failed marks the span of a call that never ran.
func (s span) failed(err *model.Error) {
	if s.otel != nil {
		s.otel.SetAttributes(attribute.String(genai.AttrErrorType, err.Kind.String()))
		s.otel.SetStatus(codes.Error, err.Kind.String())
	}
}

// record adds what came of the call, and one child span per attempt. Error
// messages stay out: upstreams quote prompts in them.
func (s span) record(rec *model.Record) {
	if s.otel == nil {
		return
	}
	attrs := append(usageAttributes(rec.Usage),
		attribute.String(genai.AttrProvider, rec.Provider),
		attribute.String(genai.AttrResponseModel, string(rec.Model)),
		attribute.String(genai.AttrEndpoint, string(rec.Endpoint)))
	if !rec.Cost.Unpriced {
		attrs = append(attrs, attribute.Float64(genai.AttrCostUSD, rec.Cost.Total.USD()))
	}
	if rec.TTFTMS > 0 {
		attrs = append(attrs, attribute.Float64(genai.AttrTimeToFirst, rec.TTFTMS/1000))
	}
	if rec.Plan != nil {
		attrs = append(attrs, attribute.String(genai.AttrStrategy, rec.Plan.Strategy))
	}
	s.otel.SetAttributes(attrs...)
	fault(s.otel, rec.Error)
	for i := range rec.Attempts {
		s.attempt(rec, &rec.Attempts[i])
	}
}

func (s span) attempt(rec *model.Record, a *model.Attempt) {
	start := rec.Received.Add(milliseconds(a.StartMS))
	attrs := append(usageAttributes(a.Usage),
		attribute.String(genai.AttrOperation, genai.Operation(rec.Surface)),
		attribute.String(genai.AttrRequestModel, string(a.Model)),
		attribute.String(genai.AttrEndpoint, string(a.Endpoint)),
		attribute.String(genai.AttrStep, string(a.Step)))
	if a.Status != 0 {
		attrs = append(attrs, attribute.Int(genai.AttrUpstreamStatus, a.Status))
	}
	_, otel := s.tracer.Start(s.ctx, "attempt "+string(a.Endpoint), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(start), trace.WithAttributes(attrs...))
	fault(otel, a.Error)
	otel.End(trace.WithTimestamp(start.Add(milliseconds(a.LatencyMS))))
}

func fault(otel trace.Span, f *model.Failure) {
	if f != nil {
		otel.SetAttributes(attribute.String(genai.AttrErrorType, f.Kind.String()))
		otel.SetStatus(codes.Error, f.Kind.String())
	}
}

func usageAttributes(u model.Usage) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	for _, c := range [...]struct {
		name  string
		count model.Count
	}{
		{genai.AttrInputTokens, u.Input}, {genai.AttrOutputTokens, u.Output}, {genai.AttrCacheRead, u.CachedRead},
		{genai.AttrCacheWrite, u.CacheWrite}, {genai.AttrReasoning, u.Reasoning},
	} {
		if c.count.Known {
			attrs = append(attrs, attribute.Int64(c.name, c.count.N))
		}
	}
	return attrs
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
