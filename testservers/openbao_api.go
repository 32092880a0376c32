package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// initBao makes a new server's root token. Its recovery key is thrown away: the
// server unseals itself.
func initBao(ctx context.Context, addr string) (token string, err error) {
	var answer struct {
		RootToken string `json:"root_token"`
	}
	err = callBao(ctx, http.MethodPut, addr, "sys/init", "", map[string]int{
		"recovery_shares": 1, "recovery_threshold": 1,
	}, &answer)
	if err == nil && answer.RootToken == "" {
		err = errors.New("sys/init gave no root token")
	}
	return answer.RootToken, err
}

// mountTransit mounts the engine at transit/ unless it is there.
func mountTransit(ctx context.Context, addr, token string) error {
	var mounts map[string]any
	if err := callBao(ctx, http.MethodGet, addr, "sys/mounts", token, nil, &mounts); err != nil {
		return err
	}
	if mounts["transit/"] != nil {
		return nil
	}
	return callBao(ctx, http.MethodPost, addr, "sys/mounts/transit", token, map[string]string{"type": "transit"}, nil)
}

func callBao(ctx context.Context, method, addr, path, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %s", path, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
