package recordings

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

// exchange is a recorded request to AWS KMS and its answer.
type exchange struct {
	target string // the operation
	asked  []byte // bodies
	status int
	header http.Header
	answer []byte
}

func readAWS(t *testing.T, name string) []exchange {
	t.Helper()
	content, err := os.ReadFile(recording(t, "awskms", "testdata", name+".replay"))
	require.NoError(t, err)
	var file struct {
		Entries []struct {
			Request struct {
				Header    http.Header
				BodyParts [][]byte
			}
			Response struct {
				StatusCode int
				Header     http.Header
				Body       []byte
			}
		}
	}
	require.NoError(t, json.Unmarshal(content, &file))
	var all []exchange
	for _, e := range file.Entries {
		_, target, ok := strings.Cut(e.Request.Header.Get("X-Amz-Target"), "TrentService.")
		require.True(t, ok)
		all = append(all, exchange{
			target, bytes.Join(e.Request.BodyParts, nil), e.Response.StatusCode, e.Response.Header, e.Response.Body,
		})
	}
	require.NotEmpty(t, all)
	return all
}

// find returns the recorded exchange of an operation that answered so.
func find(t *testing.T, name, target string, status int) exchange {
	t.Helper()
	for _, e := range readAWS(t, name) {
		if e.target == target && e.status == status {
			return e
		}
	}
	require.Failf(t, "not recorded", "%s with status %d in %s", target, status, name)
	return exchange{}
}

func (e exchange) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: e.status, Header: e.header.Clone(), Request: r, ContentLength: int64(len(e.answer)),
		Body: io.NopCloser(bytes.NewReader(e.answer)), ProtoMajor: 1, ProtoMinor: 1,
	}
}

// roundTrip is an HTTP client in a function.
type roundTrip func(target string, body []byte) (exchange, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, target, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "TrentService.")
	e, err := f(target, body)
	if err != nil {
		return nil, err
	}
	return e.response(r), nil
}

// inOrder answers as recorded, and wants to be asked as recorded.
func inOrder(t *testing.T, all []exchange) roundTrip {
	return func(target string, body []byte) (exchange, error) {
		require.NotEmpty(t, all, "more is asked than was recorded")
		e := all[0]
		all = all[1:]
		require.Equal(t, e.target, target)
		require.JSONEq(t, string(e.asked), string(body))
		return e, nil
	}
}

// byTarget answers each operation with what was recorded of it, whatever the
// request holds: ours have an encryption context, which none of the recorded has.
// The rest is denied.
func byTarget(all ...exchange) roundTrip {
	return func(target string, _ []byte) (exchange, error) {
		for _, e := range all {
			if e.target == target {
				return e, nil
			}
		}
		return exchange{
			status: http.StatusBadRequest, answer: []byte(`{"__type":"AccessDeniedException"}`),
			header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		}, nil
	}
}

func config(client roundTrip) aws.Config {
	return aws.Config{
		Region:     region,
		HTTPClient: client,
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(c ctx) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "FAKE", SecretAccessKey: "FAKE"}, nil
		}),
	}
}
