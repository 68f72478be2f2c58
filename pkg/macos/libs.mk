# The libraries of one slice, called by libs.sh in a folder with their unpacked sources. Only what Daybreak uses is compiled:
# no command-line tools, no engines, no protocol but HTTP. The configuration headers are written by hand for macOS 10.13
# and later (config/), so that nothing is guessed by running programs and a build is the same everywhere.
# Small where speed is nothing, so that the package stays below its 4 MB; decoders and OpenSSL's assembly are fast as ever.
CFLAGS = -Os -g0 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fvisibility=hidden -Wno-everything
LIBS   = z lzma bz2 expat utf8proc jansson nghttp2 plist archive curl

all: $(LIBS:%=$(OUT)/lib/lib%.a) $(OUT)/lib/libssl.a headers

z_SRC = $(filter-out %/gz%.c,$(wildcard zlib/*.c))
z_CFLAGS = -O2 -DHAVE_UNISTD_H -DHAVE_STDARG_H -DHAVE_HIDDEN

# decoders alone: nothing is compressed with it
X = xz-utils/src
lzma_SRC = $(X)/common/tuklib_cpucores.c $(X)/common/tuklib_physmem.c \
    $(filter-out %_encoder.c %tablegen.c %_small.c %easy_preset.c %_mt.c %outqueue.c,$(wildcard $(X)/liblzma/check/*.c $(X)/liblzma/common/*.c \
    $(X)/liblzma/delta/*.c $(X)/liblzma/lz/lz_decoder.c $(X)/liblzma/lzma/*decoder.c $(X)/liblzma/lzma/lzma_encoder_presets.c \
    $(X)/liblzma/rangecoder/price_table.c $(X)/liblzma/simple/*.c))
lzma_CFLAGS = -O2 -DHAVE_CONFIG_H -I$(CONFIG)/lzma $(foreach d,api common check delta lz lzma rangecoder simple,-I$(X)/liblzma/$(d)) -I$(X)/common \
    -DTUKLIB_SYMBOL_PREFIX=lzma_

bz2_CFLAGS = -O2
bz2_SRC = $(addprefix bzip2/,blocksort.c huffman.c crctable.c randtable.c compress.c decompress.c bzlib.c)

expat_SRC = expat/expat/lib/xmlparse.c expat/expat/lib/xmlrole.c expat/expat/lib/xmltok.c
expat_CFLAGS = -DHAVE_EXPAT_CONFIG_H -DXML_STATIC -I$(CONFIG)/expat

utf8proc_SRC = utf8proc/utf8proc.c
utf8proc_CFLAGS = -DUTF8PROC_STATIC

jansson_SRC = $(wildcard jansson/src/*.c)
jansson_CFLAGS = -DHAVE_CONFIG_H -I$(CONFIG)/jansson

nghttp2_SRC = $(wildcard nghttp2/lib/*.c)
nghttp2_CFLAGS = -DHAVE_CONFIG_H -DNGHTTP2_STATICLIB -I$(CONFIG)/nghttp2 -Inghttp2/lib/includes

plist_SRC = $(wildcard libplist/src/*.c) libplist/libcnary/node.c libplist/libcnary/node_list.c
plist_CFLAGS = -DHAVE_CONFIG_H -DLIBPLIST_STATIC -I$(CONFIG)/plist -Ilibplist/include -Ilibplist/src -Ilibplist/libcnary/include

# the reading half: Daybreak lets it decompress, and writes files itself.
archive_SRC = $(filter-out %_windows.c,\
    $(foreach f,$(wildcard libarchive/libarchive/*.c),$(if $(findstring _disk_,$(f))$(findstring /archive_write,$(f))$(findstring /archive_read_extract,$(f)),,$(f))))
archive_CFLAGS = -DHAVE_CONFIG_H -I$(CONFIG)/archive -Ibzip2 -Izlib

curl_SRC = $(wildcard curl/lib/*.c curl/lib/vauth/*.c curl/lib/vtls/*.c curl/lib/vquic/*.c curl/lib/vssh/*.c)
curl_CFLAGS = -DHAVE_CONFIG_H -DBUILDING_LIBCURL -DCURL_STATICLIB -DNGHTTP2_STATICLIB -I$(CONFIG)/curl -Icurl/include -Icurl/lib \
    -Izlib -Inghttp2/lib/includes -Iopenssl/include

# library(NAME): one object a source, one archive
define library
$(1)_OBJ = $$($(1)_SRC:.c=.o)
$$($(1)_OBJ): %.o: %.c
	$$(CC) $$(CFLAGS) $$($(1)_CFLAGS) -c -o $$@ $$<
$(OUT)/lib/lib$(1).a: $$($(1)_OBJ)
	@mkdir -p $$(dir $$@)
	$$(AR) rcsD $$@ $$($(1)_OBJ)
endef
$(foreach l,$(LIBS),$(eval $(call library,$(l))))

$(nghttp2_SRC:.c=.o) $(curl_SRC:.c=.o): nghttp2/lib/includes/nghttp2/nghttp2ver.h
nghttp2/lib/includes/nghttp2/nghttp2ver.h: nghttp2/lib/includes/nghttp2/nghttp2ver.h.in
	v=$$(sed -n 's/^AC_INIT(\[nghttp2\], \[\([0-9.]*\).*/\1/p' nghttp2/configure.ac) && \
	sed -e "s/@PACKAGE_VERSION@/$$v/" -e "s/@PACKAGE_VERSION_NUM@/$$(echo $$v | awk -F. '{printf "0x%02x%02x%02x", $$1, $$2, $$3}')/" $< >$@

# curl is compiled against OpenSSL's generated headers
$(curl_SRC:.c=.o): openssl/configured

# Left out: what nobody negotiates any more, what Daybreak never calls, and every door through which a file or a variable
# could add code (engines, modules, configuration: macOS's own /etc/ssl/openssl.cnf is LibreSSL's).
OPENSSL_NO = shared tests dso engine async ui-console module autoload-config static-engine capieng aria bf blake2 camellia cast idea md4 mdc2 rc2 \
    rc4 seed sm2 sm3 sm4 whirlpool rmd160 siphash srp psk srtp dtls ssl3 comp gost legacy cmp scrypt nextprotoneg ec2m
openssl/configured:
	cd openssl && ./Configure darwin64-$(if $(filter arm64,$(ARCH)),arm64,$(ARCH))-cc $(OPENSSL_NO:%=no-%) \
	    --prefix=/usr/local/daybreak --libdir=lib --openssldir=/private/etc/ssl \
	    -Os -fstack-protector-strong -D_FORTIFY_SOURCE=2 -g0 -Wno-everything -DOPENSSL_NO_APPLE_CRYPTO_RANDOM
	+$(MAKE) -C openssl build_generated
	touch $@
$(OUT)/lib/libssl.a: openssl/configured
	+$(MAKE) -C openssl libcrypto.a libssl.a
	@mkdir -p $(OUT)/lib
	cp openssl/libcrypto.a openssl/libssl.a $(OUT)/lib/

headers: openssl/configured nghttp2/lib/includes/nghttp2/nghttp2ver.h
	mkdir -p $(OUT)/include/curl $(OUT)/include/openssl $(OUT)/include/plist $(OUT)/include/lzma
	cp zlib/zlib.h zlib/zconf.h bzip2/bzlib.h expat/expat/lib/expat.h expat/expat/lib/expat_external.h utf8proc/utf8proc.h \
	    jansson/src/jansson.h $(CONFIG)/jansson/jansson_config.h libarchive/libarchive/archive.h \
	    libarchive/libarchive/archive_entry.h $(X)/liblzma/api/lzma.h $(OUT)/include/
	cp $(X)/liblzma/api/lzma/*.h $(OUT)/include/lzma/
	cp curl/include/curl/*.h $(OUT)/include/curl/
	cp openssl/include/openssl/*.h $(OUT)/include/openssl/
	cp libplist/include/plist/plist.h $(OUT)/include/plist/
.PHONY: all headers
