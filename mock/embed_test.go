package mock

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

const embedPath = "/v1/embeddings"

func TestEmbeddings(t *testing.T) {
	s := newServer(t, Profile{Name: "a"}, Profile{Name: "chatty", Unsupported: []string{"embeddings"}})
	type vectors struct {
		Data []struct {
			Index     int
			Embedding []float32
		}
		Usage struct {
			Prompt int64 `json:"prompt_tokens"`
			Total  int64 `json:"total_tokens"`
		}
	}
	get := func(body string) vectors {
		t.Helper()
		r := post(s, embedPath, body)
		if r.Code != 200 {
			t.Fatalf("%s: %d %s", body, r.Code, r.Body)
		}
		return decode[vectors](t, r.Body.String())
	}
	v := get(`{"model":"a","input":["the cat sat on the mat","a cat sat on a mat","quarterly tax report"]}`)
	if len(v.Data) != 3 || len(v.Data[0].Embedding) != DefaultDimensions || v.Data[2].Index != 2 || v.Usage.Prompt == 0 || v.Usage.Total != v.Usage.Prompt {
		t.Fatalf("%+v", v)
	}
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	a, b, c := v.Data[0].Embedding, v.Data[1].Embedding, v.Data[2].Embedding
	if math.Abs(dot(a, a)-1) > 1e-5 || dot(a, b) < dot(a, c)+0.2 {
		t.Errorf("norm %.3f, near %.3f, far %.3f", dot(a, a), dot(a, b), dot(a, c))
	}
	if n := len(get(`{"model":"a","input":"hi","dimensions":7}`).Data[0].Embedding); n != 7 {
		t.Errorf("%d dimensions, want 7", n)
	}
	for _, body := range []string{`{"model":"a","input":[1,2,3]}`, `{"model":"a","input":[[1,2],[3]]}`} {
		if v := get(body); len(v.Data) != 1+strings.Count(body, "],[") {
			t.Errorf("%s: %d vectors", body, len(v.Data))
		}
	}

	raw := decode[struct{ Data []struct{ Embedding string } }](t, post(s, embedPath, `{"model":"a","input":"hi","dimensions":2,"encoding_format":"base64"}`).Body.String())
	data, err := base64.StdEncoding.DecodeString(raw.Data[0].Embedding)
	want := get(`{"model":"a","input":"hi","dimensions":2}`).Data[0].Embedding
	if err != nil || len(data) != 8 || math.Float32frombits(binary.LittleEndian.Uint32(data[4:])) != want[1] {
		t.Errorf("base 64: %v %v, want %v", data, err, want)
	}

	for _, tt := range []struct{ body, param string }{
		{`{"model":"a"}`, "input"},
		{`{"model":"a","input":""}`, "input"},
		{`{"model":"a","input":[]}`, "input"},
		{`{"model":"a","input":5}`, "input"},
		{`{"model":"a","input":[true]}`, "input[0]"},
		{`{"model":"a","input":"x","dimensions":0}`, "dimensions"},
		{`{"model":"a","input":"x","encoding_format":"int8"}`, "encoding_format"},
		{`{"model":"chatty","input":"x"}`, "model"},
	} {
		r := post(s, embedPath, tt.body)
		if f := decode[chatReply](t, r.Body.String()).Error; r.Code != 400 || f.Param == nil || *f.Param != tt.param {
			t.Errorf("%s: %d %s, want an error about %s", tt.body, r.Code, r.Body, tt.param)
		}
	}
}
