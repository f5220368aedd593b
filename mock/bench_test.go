package mock

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sink discards an answer as a fast client would take it.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      {}

func benchServe(b *testing.B, path, body string) {
	s := newServer(b, Profile{Name: "a", AnswerTokens: 32})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	w := &sink{header: http.Header{}}
	for b.Loop() {
		clear(w.header)
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Anthropic-Version", "2023-06-01")
		s.ServeHTTP(w, r)
	}
}

func BenchmarkChat1k(b *testing.B) { benchServe(b, chatPath, chat(strings.Repeat("word ", 200), "")) }
func BenchmarkChat32k(b *testing.B) {
	benchServe(b, chatPath, chat(strings.Repeat("word ", 6400), ""))
}
func BenchmarkChatStream(b *testing.B) { benchServe(b, chatPath, chat("hi", `,"stream":true`)) }
func BenchmarkMessagesStream(b *testing.B) {
	benchServe(b, messagesPath, messages("hi", `,"stream":true`))
}
func BenchmarkEmbeddings(b *testing.B) {
	benchServe(b, embedPath, `{"model":"a","input":"a small cheap model for French summaries"}`)
}
