package vaulttransit

import (
	"context"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/kubernetes"
)

// Kubernetes is the auth method of a pod: it logs in as role with the service
// account's token, at the mount of Vault's Kubernetes auth method ("" for
// "kubernetes"), from a file ("" for where Kubernetes mounts it). It reads the file
// at every login, since Kubernetes replaces the token within the hour; the
// vendor's method of the same name reads it once.
func Kubernetes(role, mount, file string) api.AuthMethod {
	return kubernetesMethod{role, mount, file}
}

type kubernetesMethod struct{ role, mount, file string }

// Login implements api.AuthMethod.
func (k kubernetesMethod) Login(ctx context.Context, client *api.Client) (*api.Secret, error) {
	var options []kubernetes.LoginOption
	if k.mount != "" {
		options = append(options, kubernetes.WithMountPath(k.mount))
	}
	if k.file != "" {
		options = append(options, kubernetes.WithServiceAccountTokenPath(k.file))
	}
	method, err := kubernetes.NewKubernetesAuth(k.role, options...)
	if err != nil {
		return nil, err
	}
	return method.Login(ctx, client)
}
