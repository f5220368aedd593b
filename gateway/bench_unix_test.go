//go:build unix

package gateway

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

// BenchmarkOverHTTP compares the gateway with a handler that only reads the
// body and answers, both behind a real server. The figure to look at is the
// CPU time, client included: it holds on a busy machine, where ns/op does not.
func BenchmarkOverHTTP(b *testing.B) {
	answer := []byte(answerBody)
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	g, err := New(Config{
		Service: &fakeService{serve: func(_ context.Context, c *model.Call, w cartrita.Writer) (*model.Record, error) {
			return nil, w.Answer(testInfo(c), 200, nil, answer)
		}},
		Registry: testRegistry(b), Events: &fakeEvents{}, Reader: &fakeReader{}, Endpoints: testEndpoints,
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		handler http.Handler
		size    int
	}{{"bare/1K", bare, 1 << 10}, {"gateway/1K", g, 1 << 10}, {"bare/32K", bare, 32 << 10}, {"gateway/32K", g, 32 << 10}} {
		b.Run(c.name, func(b *testing.B) { overHTTP(b, c.handler, bodyOf(c.size, false)) })
	}
}

func overHTTP(b *testing.B, h http.Handler, body string) {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	defer srv.Close()
	client := srv.Client()
	before := cpuMicros(b)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := client.Post(srv.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	b.ReportMetric(float64(cpuMicros(b)-before)/float64(b.N), "cpu-us/op")
}

func cpuMicros(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano()/1e3 + u.Stime.Nano()/1e3
}
