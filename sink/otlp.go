package sink

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cartrita/cartrita/internal/send"
)

// OTLPConfig of a collector.
type OTLPConfig struct {
	Endpoint string            // URL before /v1/logs; required
	Headers  map[string]string // added to every request
	Service  string            // service.name; default cartrita
	Client   *http.Client      // default: one that follows no redirect
}

// OTLP sends events as log records over HTTP, in protobuf. The body of a record
// is the CloudEvent in JSON; its id, type and subject are attributes.
type OTLP struct{ cfg OTLPConfig }

// NewOTLP makes one. Errors: KindInvalid.
func NewOTLP(c OTLPConfig) (*OTLP, error) {
	if err := send.CheckURL("sink.NewOTLP", c.Endpoint); err != nil {
		return nil, err
	}
	if c.Service == "" {
		c.Service = "cartrita"
	}
	if c.Client == nil {
		c.Client = send.NewClient()
	}
	return &OTLP{c}, nil
}

func attribute(name, value string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: text(value)}
}

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

// Send implements Target.
func (o *OTLP) Send(ctx context.Context, messages []Message) error {
	records := make([]*logs.LogRecord, len(messages))
	for i := range messages {
		m := &messages[i]
		severity, name := logs.SeverityNumber_SEVERITY_NUMBER_INFO, "INFO"
		if strings.Contains(m.Type, "failed") {
			severity, name = logs.SeverityNumber_SEVERITY_NUMBER_ERROR, "ERROR"
		}
		records[i] = &logs.LogRecord{
			TimeUnixNano: uint64(m.At.UnixNano()), ObservedTimeUnixNano: uint64(m.At.UnixNano()),
			SeverityNumber: severity, SeverityText: name, EventName: m.Type, Body: text(string(m.JSON)),
			Attributes: []*common.KeyValue{attribute("cloudevents.event_id", m.ID), attribute("cloudevents.event_type", m.Type), attribute("cloudevents.event_subject", m.Subject)},
		}
	}
	body, err := proto.Marshal(&collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: []*common.KeyValue{attribute("service.name", o.cfg.Service)}},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "cartrita"}, LogRecords: records}},
	}}})
	if err != nil {
		return err
	}
	h := http.Header{}
	for k, v := range o.cfg.Headers {
		h.Set(k, v)
	}
	h.Set("Content-Type", "application/x-protobuf")
	answer, err := send.Ask(ctx, "sink.OTLP", o.cfg.Client, strings.TrimRight(o.cfg.Endpoint, "/")+"/v1/logs", h, body)
	if err != nil {
		return err
	}
	return rejected(answer, len(messages))
}

// longestReason bounds what is repeated of a collector's words.
const longestReason = 200

// rejected finds what a collector left out of what it took, which is not to be
// sent again. An answer that is no such message says of none that it was.
func rejected(answer []byte, sent int) error {
	var a collector.ExportLogsServiceResponse
	err := proto.Unmarshal(answer, &a)
	p := a.GetPartialSuccess()
	if err == nil && p.GetRejectedLogRecords() > 0 {
		return &Rejected{Count: int(min(p.GetRejectedLogRecords(), int64(sent))), Reason: fmt.Sprintf("%.*s", longestReason, p.GetErrorMessage())}
	}
	return nil
}

// Close implements Target.
func (o *OTLP) Close() error {
	o.cfg.Client.CloseIdleConnections()
	return nil
}
