package otelobserve_test

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// encoder writes attributes as "name=value name=value".
type encoder struct{}

func (encoder) ID() attribute.EncoderID { return attribute.NewEncoderID() }

func (encoder) Encode(i attribute.Iterator) string {
	var all []string
	for i.Next() {
		kv := i.Attribute()
		all = append(all, string(kv.Key)+"="+kv.Value.AsString())
	}
	return strings.Join(all, " ")
}
