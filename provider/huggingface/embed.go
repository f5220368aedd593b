package huggingface

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

// embed makes vectors of the call's inputs.
func (c *Client) embed(ctx context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	inputs, err := readInputs(call.Body)
	if err != nil {
		return nil, err
	}
	reply, err := c.post(ctx, ep, "feature-extraction", func(dst []byte) []byte {
		dst = append(dst, `{"inputs":[`...)
		for i, in := range inputs {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, in...)
		}
		return append(dst, "]}"...)
	})
	if err != nil {
		return nil, err
	}
	format, _ := call.Body.Get("encoding_format")
	body, err := vectors(reply, ep.Upstream, len(inputs), string(format) == `"base64"`)
	if err != nil {
		return nil, err
	}
	return &provider.Response{Status: reply.Status, Header: reply.Header, Body: body}, nil
}

// readInputs returns the raw strings to embed.
func readInputs(body jsonscan.Object) (inputs [][]byte, err error) {
	if v, ok := body.Get("dimensions"); ok && string(v) != "null" {
		return nil, model.Invalidf(op, "dimensions", "cannot be chosen for this model")
	}
	input, _ := body.Get("input")
	if len(input) > 0 && input[0] == '"' {
		return [][]byte{input}, nil
	}
	if len(input) > 0 && input[0] == '[' {
		jsonscan.Each(input, func(_, v []byte) bool {
			if v[0] != '"' {
				err = model.Invalidf(op, "input", "want strings: this model takes no tokens")
				return false
			}
			inputs = append(inputs, v)
			return true
		})
	}
	if err == nil && len(inputs) == 0 {
		err = model.Invalidf(op, "input", "want a string or an array of strings")
	}
	return inputs, err
}

// vectors turns the answer of feature-extraction into OpenAI's shape.
func vectors(reply *upstream.Reply, name string, want int, inBase64 bool) ([]byte, error) {
	wrong := func(what string) ([]byte, error) {
		return nil, &model.Error{Op: op, Kind: model.KindUpstream, Status: reply.Status, Message: "the upstream's answer is " + what}
	}
	if !json.Valid(reply.Body) {
		return wrong("not JSON")
	}
	rows := children(reply.Body)
	if want == 1 && len(rows) > 0 && rows[0][0] != '[' { // one text, one flat vector
		rows = [][]byte{reply.Body}
	}
	if len(rows) != want {
		return wrong("not one vector per input")
	}
	out := make([]byte, 0, len(reply.Body)+64*len(rows)+128)
	out = append(out, `{"object":"list","data":[`...)
	for i, row := range rows {
		numbers := children(row)
		if len(numbers) == 0 {
			return wrong("not a list of vectors")
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(append(out, `{"object":"embedding","index":`...), int64(i), 10)
		out = append(out, `,"embedding":`...)
		packed, ok := pack(numbers)
		switch {
		case !ok:
			return wrong("not one vector per input: the model gives one per token")
		case inBase64:
			out = append(append(append(out, '"'), base64.StdEncoding.EncodeToString(packed)...), '"')
		default:
			out = append(out, row...)
		}
		out = append(out, '}')
	}
	return append(upstream.Quote(append(out, `],"model":`...), name), '}'), nil
}

// children returns the raw elements of an array.
func children(raw []byte) (out [][]byte) {
	jsonscan.Each(raw, func(key, v []byte) bool {
		if key != nil {
			return false
		}
		out = append(out, v)
		return true
	})
	return out
}

// pack writes numbers as OpenAI does in base64: float32, little-endian.
func pack(numbers [][]byte) ([]byte, bool) {
	out := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		f, err := strconv.ParseFloat(string(n), 32)
		if err != nil {
			return nil, false
		}
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(f)))
	}
	return out, true
}
