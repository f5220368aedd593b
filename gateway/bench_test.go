package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// bodyOf makes a chat request of about n bytes, in several messages.
func bodyOf(n int, stream bool) string {
	var b strings.Builder
	b.WriteString(`{"model":"auto","temperature":0.7,"max_tokens":100,"messages":[{"role":"system","content":"You are helpful."}`)
	for b.Len() < n-100 {
		part := min(n-100-b.Len(), 4000)
		b.WriteString(`,{"role":"user","content":"` + strings.Repeat("lorem ipsum ", part/12+1)[:part] + `"}`)
	}
	b.WriteString(`],"stream":`)
	if stream {
		b.WriteString(`true}`)
	} else {
		b.WriteString(`false}`)
	}
	return b.String()
}

func benchmarkParse(b *testing.B, n int) {
	body := []byte(bodyOf(n, false))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseChat(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseChat1K(b *testing.B)  { benchmarkParse(b, 1<<10) }
func BenchmarkParseChat32K(b *testing.B) { benchmarkParse(b, 32<<10) }

// nowhere is a response writer that costs nothing.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) FlushError() error           { return nil }

// benchmarkServe measures what the gateway adds around the Service, without
// net/http's own work.
func benchmarkServe(b *testing.B, body string, serve func(context.Context, *model.Call, cartrita.Writer) (*model.Record, error)) {
	g, err := New(Config{
		Service: &fakeService{serve: serve}, Registry: testRegistry(b), Events: &fakeEvents{}, Reader: &fakeReader{}, Endpoints: testEndpoints,
	})
	if err != nil {
		b.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodPost, "http://localhost/v1/chat/completions", nil)
	req.ContentLength = int64(len(body))
	for _, h := range []string{"Accept", "User-Agent", "Content-Type", "Accept-Encoding", "X-Stainless-Lang", "X-Stainless-Os"} {
		req.Header.Set(h, "something")
	}
	reader := strings.NewReader("")
	req.Body = readCloser{reader}
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		g.ServeHTTP(&nowhere{http.Header{}}, req)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkServe1K(b *testing.B)  { benchmarkServe(b, bodyOf(1<<10, false), serveUnary) }
func BenchmarkServe32K(b *testing.B) { benchmarkServe(b, bodyOf(32<<10, false), serveUnary) }

func BenchmarkServeStream32Chunks(b *testing.B) {
	chunk := []byte("data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n")
	benchmarkServe(b, bodyOf(1<<10, true), func(_ context.Context, call *model.Call, w cartrita.Writer) (*model.Record, error) {
		rec := testRecord(call)
		_ = w.Start(testInfo(call), nil)
		for range 32 {
			_ = w.Chunk(chunk)
		}
		return rec, w.End(rec, nil)
	})
}

func BenchmarkAuthorize(b *testing.B) {
	ring, err := newKeyring([]APIKey{{Name: "a", Secret: testKey}, {Name: "b", Secret: "sk-fedcba9876543210"}})
	if err != nil {
		b.Fatal(err)
	}
	g := &Gateway{}
	g.keys.Store(&ring)
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer " + testKey}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := g.authorize(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuthorizeVirtualKey: among a thousand keys, with limits taken and
// given back, as every call does.
func BenchmarkAuthorizeVirtualKey(b *testing.B) {
	kw := newKeyWorld(b)
	_, token := kw.make(b, key.Fields{Name: ptr("app"), Limits: &key.Limits{Requests: 1 << 39, Tokens: 1 << 39, Concurrency: 9}})
	for i := range 1000 {
		kw.make(b, key.Fields{Name: ptr(fmt.Sprint("other", i))})
	}
	g := &Gateway{cfg: Config{Keys: kw.ring, LocalToken: localTestToken, Limiter: limit.New(limit.Config{})}}
	g.keys.Store(&keyring{})
	x := &exchange{g: g, r: &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}}
	b.ReportAllocs()
	for b.Loop() {
		who, _, err := g.authorize(x.r)
		if err != nil {
			b.Fatal(err)
		}
		x.who = who
		if err := x.takeLimits("", limit.Tokens{Least: 100, Most: 100}); err != nil {
			b.Fatal(err)
		}
		x.giveLimits()
	}
}
