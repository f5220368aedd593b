package sink_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/sink"
)

func message(n int) sink.Message {
	id := fmt.Sprintf("call.%d", n)
	return sink.Message{ID: id, Type: "cartrita.model_call.failed.v1", Subject: "call", At: time.UnixMicro(1_790_000_000_000_001).UTC(), JSON: fmt.Appendf(nil, `{"id":%q}`, id)}
}

func messages(from, to int) (out []sink.Message) {
	for n := from; n < to; n++ {
		out = append(out, message(n))
	}
	return out
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
}

func TestAFileRotatesAndCutsOffHalfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "events.jsonl")
	open := func() *sink.File {
		f, err := sink.NewFile(sink.FileConfig{Path: path, MaxBytes: 200, Keep: 2})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open()
	if err := f.Send(t.Context(), messages(0, 3)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	torn, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = torn.WriteString(`{"id":"call.3`)
	if cerr := torn.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	f = open()
	if err := f.Send(t.Context(), messages(3, 4)); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 4 || got[3] != `{"id":"call.3"}` {
		t.Errorf("the file holds %q", got)
	}
	for n := 4; n < 60; n += 4 {
		if err := f.Send(t.Context(), messages(n, n+4)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	all := append(append(lines(t, path+".2"), lines(t, path+".1")...), lines(t, path)...)
	for i, line := range all {
		if want := string(message(60 - len(all) + i).JSON); line != want {
			t.Errorf("line %d is %s, want %s", i, line, want)
		}
	}
	if _, err := os.Stat(path + ".3"); !os.IsNotExist(err) {
		t.Errorf("a third full file: %v", err)
	}
	if _, err := sink.NewFile(sink.FileConfig{}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("without a path: %v", err)
	}
}

func TestAWebhookIsSigned(t *testing.T) {
	secret := []byte("a secret of the receiver")
	status := http.StatusOK
	var ids []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
			t.Errorf("the signature is %q, want %q", r.Header.Get("webhook-signature"), want)
		}
		if r.Header.Get("Content-Type") != "application/cloudevents-batch+json" || r.Header.Get("X-Team") != "ops" {
			t.Errorf("headers %v", r.Header)
		}
		var batch []struct{ ID string }
		if err := json.Unmarshal(body, &batch); err != nil || len(batch) != 3 || batch[2].ID != "call.2" {
			t.Errorf("%v: %s", err, body)
		}
		ids = append(ids, r.Header.Get("webhook-id"))
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	hook, err := sink.NewWebhook(sink.WebhookConfig{URL: srv.URL + "/secret-path", Secret: secret, Headers: map[string]string{"X-Team": "ops"}})
	if err != nil {
		t.Fatal(err)
	}
	defer hook.Close()
	for code, want := range map[int]model.Kind{
		http.StatusBadRequest: model.KindInvalid, http.StatusRequestEntityTooLarge: model.KindInvalid,
		http.StatusTooManyRequests: model.KindRateLimited, http.StatusBadGateway: model.KindUnavailable,
		http.StatusUnauthorized: model.KindUnavailable, http.StatusFound: model.KindUnavailable,
	} {
		status = code
		if err := hook.Send(t.Context(), messages(0, 3)); model.KindOf(err) != want {
			t.Errorf("status %d: %v, want %s", code, err, want)
		}
	}
	status = http.StatusNoContent
	if err := hook.Send(t.Context(), messages(0, 3)); err != nil {
		t.Error(err)
	}
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Errorf("the same batch has the ids %v", ids)
		}
	}
	srv.Close()
	if err := hook.Send(t.Context(), messages(0, 3)); err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("a server that is away: %v", err)
	}
}

func TestAnAddressIsChecked(t *testing.T) {
	for _, address := range []string{"", "collector:4318", "ftp://collector"} {
		if _, err := sink.NewWebhook(sink.WebhookConfig{URL: address}); model.AsError(err).Param != "url" {
			t.Errorf("a webhook at %q: %v", address, err)
		}
		if _, err := sink.NewOTLP(sink.OTLPConfig{Endpoint: address}); model.AsError(err).Param != "url" {
			t.Errorf("a collector at %q: %v", address, err)
		}
	}
}

func TestACollectorGetsLogRecords(t *testing.T) {
	var got collector.ExportLogsServiceRequest
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &got)
		}
		if err != nil || r.URL.Path != "/v1/logs" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("Authorization") != "x" {
			t.Errorf("%v: %s %v", err, r.URL, r.Header)
		}
	}))
	defer srv.Close()
	o, err := sink.NewOTLP(sink.OTLPConfig{Endpoint: srv.URL + "/", Headers: map[string]string{"Authorization": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Send(t.Context(), messages(0, 2)); err != nil {
		t.Fatal(err)
	}
	records := got.GetResourceLogs()[0].GetScopeLogs()[0].GetLogRecords()
	if len(records) != 2 {
		t.Fatalf("%d records", len(records))
	}
	r := records[1]
	if r.GetBody().GetStringValue() != `{"id":"call.1"}` || r.GetSeverityText() != "ERROR" || r.GetTimeUnixNano() != 1_790_000_000_000_001_000 ||
		r.GetAttributes()[0].GetValue().GetStringValue() != "call.1" || r.GetEventName() != "cartrita.model_call.failed.v1" {
		t.Errorf("a record is %v", r)
	}
}

// What a collector rejects of what it answers with 200 is no event that was sent.
func TestWhatACollectorRejectsIsCounted(t *testing.T) {
	answer := &collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{RejectedLogRecords: 3, ErrorMessage: "too old"}}
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		body, err := proto.Marshal(answer)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body) // the reader sees that it is cut off
	}))
	defer srv.Close()
	o, err := sink.NewOTLP(sink.OTLPConfig{Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	sent := uint64(len(add(t, s, 0, 5)))
	var log strings.Builder
	r, stop := start(t, sink.Config{Target: o, Feed: s, FromStart: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	until(t, "the batch is through", func() bool { st := r.Stats(); return st.Sent+st.Refused >= sent })
	stop()
	if st := r.Stats(); st.Refused != 3 || st.Sent != sent-3 || st.Failures != 0 || requests != 1 {
		t.Errorf("of %d events in %d requests: %+v", sent, requests, st)
	}
	if !strings.Contains(log.String(), "count=3") || !strings.Contains(log.String(), `reason="too old"`) {
		t.Errorf("the log says %s", log.String())
	}
	for _, n := range []int64{0, -1} { // a warning, or nonsense
		answer.PartialSuccess.RejectedLogRecords = n
		if err := o.Send(t.Context(), messages(0, 2)); err != nil {
			t.Error(err)
		}
	}
	answer.PartialSuccess.RejectedLogRecords = 1 << 40
	var some *sink.Rejected
	if err := o.Send(t.Context(), messages(0, 2)); !errors.As(err, &some) || some.Count != 2 {
		t.Errorf("more than was sent: %v", err)
	}
}

func TestKafkaGetsEveryMessage(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	k, err := sink.NewKafka(sink.KafkaConfig{Brokers: cluster.ListenAddrs(), Topic: "events"})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := k.Send(t.Context(), messages(0, 50)); err != nil {
		t.Fatal(err)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	n := 0
	for n < 50 {
		fetches := reader.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { // of one call: in one partition, in order
			if string(r.Value) != string(message(n).JSON) || string(r.Key) != "call" || string(r.Headers[0].Value) != "application/cloudevents+json" {
				t.Errorf("record %d: %s %s", n, r.Key, r.Value)
			}
			n++
		})
	}
	huge := message(0)
	huge.JSON = make([]byte, 2<<20)
	if err := k.Send(t.Context(), []sink.Message{huge}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("a message over the limit: %v", err)
	}
	for _, c := range []sink.KafkaConfig{{Topic: "t"}, {Brokers: []string{"b:1"}}, {Brokers: []string{"b:1"}, Topic: "t", User: "u", SASL: "nothing"}} {
		if _, err := sink.NewKafka(c); model.KindOf(err) != model.KindInvalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// natsServer starts a server with JetStream that has no stream, and a client of it.
func natsServer(t *testing.T) (url string, conn *nats.Conn, js jetstream.JetStream) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.Shutdown)
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	if conn, err = nats.Connect(srv.ClientURL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	return srv.ClientURL(), conn, js
}

func newStream(t *testing.T, js jetstream.JetStream) jetstream.Stream {
	t.Helper()
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"cartrita.>"}})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func newNATS(t *testing.T, url string) *sink.NATS {
	t.Helper()
	n, err := sink.NewNATS(sink.NATSConfig{URL: url, Subject: "cartrita.events"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() }) // never fails
	return n
}

func TestNATSDropsWhatItWasSentTwice(t *testing.T) {
	url, _, js := natsServer(t)
	n := newNATS(t, url)
	if err := n.Send(t.Context(), messages(0, 2)); err == nil {
		t.Error("a subject that no stream takes is no error")
	}
	stream := newStream(t, js)
	for range 2 {
		if err := n.Send(t.Context(), messages(0, 20)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Msgs != 20 {
		t.Errorf("%v: the stream holds %d messages, want 20", err, info.State.Msgs)
	}
	last, err := stream.GetLastMsgForSubject(t.Context(), "cartrita.events")
	if err != nil || string(last.Data) != string(message(19).JSON) {
		t.Errorf("%v: the last is %s", err, last.Data)
	}
}

// A server that takes messages and acknowledges none, as a stream without a leader
// does, gets them when it acknowledges again, however many it was sent before.
func TestNATSGoesOnAfterMessagesWithoutAcknowledgement(t *testing.T) {
	url, conn, js := natsServer(t)
	silent, err := conn.SubscribeSync("cartrita.events") // somebody listens, so that the server does not refuse
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	n := newNATS(t, url)
	for range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := n.Send(ctx, messages(0, 400))
		cancel()
		if err == nil {
			t.Fatal("messages without acknowledgement count as taken")
		}
	}
	stream := newStream(t, js)
	if err := silent.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if err := n.Send(t.Context(), messages(0, 400)); err != nil {
		t.Fatal(err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 400 {
		t.Errorf("%v: the stream holds %d messages, want 400", err, info.State.Msgs)
	}
}
