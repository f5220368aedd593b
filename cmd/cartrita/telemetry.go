package main

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

// flushTraces bounds the wait for the last spans at shutdown.
const flushTraces = 5 * time.Second

// newTracer sends spans by OTLP over HTTP; nil where no endpoint is configured.
// stop sends what is left.
func newTracer(ctx context.Context, c *config.Telemetry, secrets *config.Secrets, log *slog.Logger) (t trace.Tracer, stop func(), err error) {
	if c.OTLPEndpoint == "" {
		return nil, func() {}, nil
	}
	headers, err := resolveHeaders(c.OTLPHeaders, secrets)
	if err != nil {
		return nil, nil, err
	}
	address, err := url.JoinPath(c.OTLPEndpoint, "v1/traces")
	if err != nil {
		return nil, nil, model.Invalidf("", "telemetry.otlp_endpoint", "%q is no address", c.OTLPEndpoint)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(address), otlptracehttp.WithHeaders(headers))
	if err != nil {
		return nil, nil, model.Errorf("", model.KindUnavailable, "traces cannot be sent: %v", err)
	}
	tp := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", c.ServiceName), attribute.String("service.version", buildVersion().Version))),
	)
	stop = func() { // ctx has ended by then
		ctx, cancel := context.WithTimeout(context.Background(), flushTraces)
		defer cancel()
		if err := tp.Shutdown(ctx); err != nil {
			log.Warn("some traces were not sent", "error", err)
		}
	}
	return tp.Tracer("github.com/cartrita/cartrita"), stop, nil
}
