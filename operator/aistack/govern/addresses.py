"""IP addresses, networks and URLs as CEL reads them in the API server, which is as Go does."""

import ipaddress
import re
from urllib.parse import parse_qs, quote, urlsplit

from aistack.govern.tagged import Tagged, untagged

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_LINK_LOCAL_MULTICAST = ipaddress.IPv4Network("224.0.0.0/24")
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def ip(text: str) -> Tagged:
    """ValueError for what is none; a zone and an IPv4 address written as IPv6 are none here."""
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id or found.ipv4_mapped):
        raise ValueError(f"{text!r} is no IP address")
    return {"ip": str(found)}


def is_canonical(text: str) -> bool:
    return ip(text)["ip"] == text


def cidr(text: str) -> Tagged:
    """An address, a slash and a length; ValueError for what is none."""
    address, slash, length = text.rpartition("/")
    if not slash or not re.fullmatch(r"0|[1-9][0-9]{0,2}", length):
        raise ValueError(f"{text!r} is no CIDR")
    ip(address)
    return {"cidr": str(ipaddress.ip_interface(text))}


def address(value: Tagged) -> Address:
    return ipaddress.ip_address(untagged(value, "ip"))


def interface(value: Tagged) -> Interface:
    return ipaddress.ip_interface(untagged(value, "cidr"))


def is_link_local_multicast(value: Tagged) -> bool:
    found = address(value)
    if isinstance(found, ipaddress.IPv4Address):
        return found in _LINK_LOCAL_MULTICAST
    return found.packed[0] == 0xFF and found.packed[1] & 0x0F == 0x02


def is_global_unicast(value: Tagged) -> bool:
    """Private addresses are, as in Go; the broadcast address isn't."""
    found = address(value)
    special = found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local
    return not special and found != _BROADCAST


def contains_ip(network: Tagged, inner: Tagged) -> bool:
    return address(inner) in interface(network).network


def contains_cidr(outer: Tagged, inner: Tagged) -> bool:
    around, within = interface(outer).network, interface(inner).network
    return within.network_address in around and within.prefixlen >= around.prefixlen


def url(text: str) -> Tagged:
    """An absolute URI or an absolute path, as Go's url.ParseRequestURI; ValueError for what is neither."""
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError when it is none
    well_formed = not re.search(r"[\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2})", text) and " " not in parts.netloc
    if not well_formed or not (parts.scheme or text.startswith("/") or text == "*"):
        raise ValueError(f"{text!r} is no URL")
    return {"url": text}


def scheme(value: Tagged) -> str:
    return urlsplit(untagged(value, "url")).scheme


def host(value: Tagged) -> str:
    """With its port, without a user's name."""
    return urlsplit(untagged(value, "url")).netloc.rpartition("@")[2]


def hostname(value: Tagged) -> str:
    with_port = host(value)
    bracketed = re.match(r"\[(.*)\]", with_port)
    return bracketed[1] if bracketed else with_port.partition(":")[0]


def port(value: Tagged) -> str:
    found = urlsplit(untagged(value, "url")).port
    return "" if found is None else str(found)


def escaped_path(value: Tagged) -> str:
    """Empty where what follows the scheme is no path, as in mailto:…"""
    path = urlsplit(untagged(value, "url")).path
    return quote(path, safe="/%!$&'()*+,;=:@~[]") if path.startswith(("/", "*")) else ""


def query(value: Tagged) -> dict[str, list[str]]:
    """Without the pairs that hold a semicolon, which Go divides by no more and doesn't take."""
    pairs = urlsplit(untagged(value, "url")).query.split("&")
    return parse_qs("&".join(pair for pair in pairs if ";" not in pair), keep_blank_values=True)
