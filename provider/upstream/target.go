package upstream

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/cartrita/cartrita/model"
)

// target is one URL that requests go to, with what every request to it shares.
type target struct {
	url     *url.URL
	auth    string // name of the header that carries the key
	headers atomic.Pointer[headerSet]
}

// headerSet holds the request headers for one key. The maps are never written
// after they are published: a transport only reads them.
type headerSet struct {
	key           string
	unary, stream http.Header
}

type targetKey struct{ base, path string }

// target finds or makes the target of base URL + path. There are as many as
// configured URLs times API paths.
func (s *Sender) target(base, path string) (*target, error) {
	key := targetKey{base, path}
	if t, ok := s.targets.Load(key); ok {
		return t.(*target), nil
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, model.Invalidf(s.op, "base_url", "want an http or https URL without a password in it")
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawPath = ""
	t := &target{url: u, auth: s.auth(u)}
	actual, _ := s.targets.LoadOrStore(key, t)
	return actual.(*target), nil
}

// header returns the headers for a request with the given key.
func (s *Sender) header(t *target, key string, stream bool) http.Header {
	set := t.headers.Load()
	if set == nil || set.key != key {
		set = s.headerSet(t, key)
		t.headers.Store(set)
	}
	if stream {
		return set.stream
	}
	return set.unary
}

func (s *Sender) headerSet(t *target, key string) *headerSet {
	h := http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"application/json"},
		"User-Agent":   {"cartrita"},
	}
	for name, value := range s.cfg.Headers {
		h.Set(name, value)
	}
	if key != "" {
		if t.auth == "Authorization" {
			h.Set(t.auth, "Bearer "+key)
		} else {
			h.Set(t.auth, key)
		}
	}
	stream := h.Clone()
	stream.Set("Accept", "text/event-stream")
	return &headerSet{key: key, unary: h, stream: stream}
}

// azureHosts end the host names of Azure's services, which take keys in a
// header of their own.
var azureHosts = []string{".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"}

// BearerAuth names the header for keys of OpenAI-compatible servers.
func BearerAuth(u *url.URL) string {
	for _, suffix := range azureHosts {
		if strings.HasSuffix(u.Hostname(), suffix) {
			return "Api-Key"
		}
	}
	return "Authorization"
}
